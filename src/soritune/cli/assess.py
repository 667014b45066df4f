"""`soritune assess`: audio and its text in, an assessment of the pronunciation out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from soritune import progress
from soritune.cli.file_options import Pcm, Root, Split, Splits, check_files_or_rows
from soritune.cli.given_options import refuse_idle
from soritune.cli.model_options import Backend, Base, Checkpoint, Device
from soritune.cli.recognition_options import AsrModel, open_recogniser
from soritune.cli.terminal import AsJson, announce, print_error, print_json, print_line
from soritune.cli.text_options import PhoneModel, Phones, SpokenFiles, check_texts, clips_and_model
from soritune.errors import SorituneError

IDLE_IN_CHOICE = ("thresholds", "variants", "vad", "asr_model", "output", "html", "language")
"""Options that do not act with --choose-thresholds."""
PLAYERS, PLAYED_S = 400, 60
"""Number of clips, and their longest duration in seconds, whose sound pages contain: 20 kB per second."""
SHOWN = 20
"""Clips that are printed."""
KINDS = {"substitution": "→", "deletion": "not heard"}


def assess(
    context: typer.Context,
    audio: SpokenFiles = None,
    text: Annotated[str | None, typer.Option(help="What the speaker was asked to say.")] = None,
    phones: Phones = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Assess the rows of a manifest by their own texts instead of files.")
    ] = None,
    splits: Splits = None,
    split: Split = "test",
    root: Root = None,
    bundle: PhoneModel = None,
    checkpoint: Checkpoint = None,
    thresholds: Annotated[
        Path | None, typer.Option(help="File of thresholds (YAML) instead of those of the model.")
    ] = None,
    choose_thresholds: Annotated[
        Path | None,
        typer.Option(
            help="Instead of an assessment: choose thresholds on the rows of --manifest, of speakers whose "
            "pronunciation counts as right, and write them here."
        ),
    ] = None,
    variants: Annotated[
        Path | None,
        typer.Option(help="File of further accepted pronunciations: phone, accepted phone, reason."),
    ] = None,
    vad: Annotated[
        Literal["auto", "silero", "energy", "off"],
        typer.Option(help="What finds speech: auto, silero, energy or off."),
    ] = "auto",
    asr_model: AsrModel = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a JSON line per clip here.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page here: one learner with players, or a class if rows have several `speaker`."
        ),
    ] = None,
    language: Annotated[Literal["ko", "en"], typer.Option(help="Language of the page: ko or en.")] = "ko",
    pcm: Pcm = None,
    device: Device = "auto",
    backend: Backend = "auto",
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """Assess how a known text was pronounced, phone by phone, with reasons.

    A recording that cannot be assessed does not fail: its answer states why. Not validated on learners of Korean.
    """
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.assessment.thresholds import load_thresholds
    from soritune.assessment.variants import load_variants
    from soritune.inference.model_thresholds import thresholds_of_model
    from soritune.inference.predictor import Predictor
    from soritune.stages.assess import assess_clips
    from soritune.whole_file import whole_file

    check_files_or_rows(audio, manifest, splits, root)
    check_texts(text, phones, manifest)
    idle = {
        "split": "without --splits" if splits is None else None,
        "language": "without --html" if html is None else None,
    }
    if choose_thresholds is not None:
        if manifest is None:
            raise SorituneError(
                "--choose-thresholds needs --manifest, with rows that have `speaker` and `text`"
            )
        idle |= dict.fromkeys(IDLE_IN_CHOICE, "with --choose-thresholds")
    refuse_idle(context, idle)
    limits = None if thresholds is None else load_thresholds(thresholds)
    accepted = None if variants is None else load_variants(variants)
    items, folder = clips_and_model(audio, text, manifest, splits, split, root, bundle, checkpoint, pcm)
    if choose_thresholds is not None:
        _choose(choose_thresholds, items, folder, device, backend, base, as_json)
        return
    limits = limits or thresholds_of_model(folder)
    detector = None if asr_model is None else open_recogniser(asr_model, device=device)
    predictor = Predictor.load(folder, device=device, backend=backend, base=base, vad="off")
    pages = None if html is None else Pages(html, language)
    kept: list[dict[str, Any]] = []
    total = unreadable = 0
    console = progress.Console(quiet=as_json or len(items) < 10)
    with console.bar("assess", len(items)) as bar:
        answers = assess_clips(
            predictor,
            items,
            phones=phones.split() if phones else None,
            thresholds=limits,
            variants=accepted,
            detector=detector,
            vad=vad,
            progress=bar.advance,
            listen=None if pages is None else pages.listen,
        )
        if pages is not None:
            answers = pages.collect(answers)
        if output is None:
            for answer in answers:
                total, unreadable = total + 1, unreadable + (answer["outcome"] == "unreadable-audio")
                if as_json or len(kept) < SHOWN:
                    kept.append(answer)
        else:
            with whole_file(output) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
                for answer in answers:
                    total, unreadable = total + 1, unreadable + (answer["outcome"] == "unreadable-audio")
                    stream.write(json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n")
                    if len(kept) < SHOWN and not as_json:
                        kept.append(answer)
    written = 0 if pages is None else pages.write()
    if as_json:
        summary = {"clips": total, "unreadable": unreadable}
        print_json(summary | ({"answers": kept} if output is None else {"output": str(output)}))
    else:
        for answer in kept:
            _print(answer)
        if output is not None:
            print_line(f"{total} answers in {output}")
        if pages is not None:
            print_line(f"{pages.path}{f' and {written - 1} pages of learners' if written > 1 else ''}")
        print_error(f"{answer_notice(kept)}", style="dim")
    if unreadable:
        raise typer.Exit(1)


class Pages:
    """Collects answers and sounds for the pages of `--html`."""

    def __init__(self, path: Path, language: Literal["ko", "en"]) -> None:
        self.path, self.language = path, language
        self.answers: list[dict[str, Any]] = []
        self.audio: dict[str, str] = {}

    def listen(self, clip: str, samples: Any) -> None:
        """Keeps the sound of a clip, unless it is long or there are many."""
        from soritune.reports.players import audio_uri

        if len(self.audio) < PLAYERS and len(samples) <= PLAYED_S * 16_000:
            self.audio[clip] = audio_uri(samples, lossless=True)

    def collect(self, answers: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The answers, which are kept."""
        for answer in answers:
            self.answers.append(answer)
            yield answer

    def write(self) -> int:
        """Writes the pages and returns their number."""
        from soritune.reports.assessment_page import write_pages

        return len(write_pages(self.path, self.answers, self.audio, self.language))


def _choose(
    path: Path, rows: Any, folder: Path, device: str, backend: str, base: str | None, as_json: bool
) -> None:
    """Chooses thresholds on rows and writes them."""
    from soritune.assessment.thresholds import write_thresholds
    from soritune.inference.predictor import Predictor
    from soritune.stages.assessment_thresholds import choose_on_rows

    predictor = Predictor.load(folder, device=device, backend=backend, base=base, vad="off")
    with progress.Console(quiet=as_json).bar("measure", len(rows)) as bar:
        chosen, figures = choose_on_rows(predictor, rows, path.stem, progress=bar.advance)
    write_thresholds(path, chosen)
    if as_json:
        print_json({"output": str(path), "thresholds": chosen.to_json(), "on_the_same_rows": figures})
        return
    print_line(f"{path}: {chosen.origin}")
    print_line(
        f"on the same rows: {figures['right_accepted']:.1%} of right texts accepted, "
        f"{figures['other_rejected']:.1%} of other texts rejected, "
        f"{figures['phones_called_wrong']:.1%} of phones called wrong"
    )


def answer_notice(answers: list[dict[str, Any]]) -> str:
    """What a reader of answers must know."""
    return str(answers[0]["notice"]) if answers else "no clip"


def _print(answer: dict[str, Any]) -> None:
    """Words with their errors, and what to practise first."""
    print_line(answer["id"], style="bold")
    if not answer["assessable"]:
        print_line(f"  not assessable ({answer['outcome']}): {answer['reason']}", style="yellow")
        return
    for word in answer["words"]:
        phones = [phone for syllable in word["syllables"] for phone in syllable["phones"]]
        faults = [_fault(phone) for phone in phones if phone["kind"] != "correct"]
        text = word["text"] or " ".join(phone["letter"] for phone in phones)
        times = f"{word['start_s']:8.3f} {word['end_s']:8.3f}"
        print_line(f"  {times}  {text}  {'; '.join(faults) or 'ok'}")
    for insertion in answer["insertions"]:
        print_line(f"  {insertion['at_s']:8.3f}           inserted {insertion['letter']}")
    advice = answer["advice"]
    if advice is not None:
        print_line(f"  {advice['ko']}")
        print_line(f"  {advice['en']}")


def _fault(phone: dict[str, Any]) -> str:
    if phone["kind"] == "deletion":
        return f"{phone['letter']} {KINDS['deletion']}"
    if phone["kind"] == "unclear":
        return f"{phone['letter']} unclear"
    return f"{phone['letter']} {KINDS['substitution']} {phone['recognised_letter']}"
