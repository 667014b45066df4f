"""`soritune assess`: audio and its text in, an assessment of the pronunciation out."""

from __future__ import annotations

import atexit
import gc
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from soritune import progress
from soritune.cli.assessment_lines import WORDS, Language, Line, answer_lines, closing_lines, columns_line
from soritune.cli.file_options import Pcm, Root, Split, Splits, check_files_or_rows, check_paths
from soritune.cli.given_options import refuse_idle
from soritune.cli.manifest_options import FieldOption
from soritune.cli.model_options import Backend, Base, Checkpoint, Device
from soritune.cli.recognition_options import AsrModel, open_recogniser
from soritune.cli.source_options import pairs
from soritune.cli.terminal import AsJson, announce, print_error, print_json, print_line
from soritune.cli.text_options import PhoneModel, Phones, SpokenFiles, check_texts, clips_and_model
from soritune.errors import SorituneError
from soritune.whole_file import whole_file

if TYPE_CHECKING:
    from soritune.corpus.manifest import Manifest
    from soritune.corpus.unmeasured import TableColumns

IDLE_IN_CHOICE = ("thresholds", "variants", "vad", "asr_model", "output", "html", "language")
"""Options that do not act with --choose-thresholds."""
PLAYERS, PLAYED_S = 400, 60
"""Number of clips, and their longest duration in seconds, whose sound pages contain: 20 kB per second."""
SHOWN = 20
"""Clips that are printed where a file has all."""


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
    field: FieldOption = None,
    bundle: PhoneModel = None,
    checkpoint: Checkpoint = None,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            help="File of thresholds (YAML), of which it may have a few; the others are the model's."
        ),
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
        typer.Option(
            help="File of further accepted pronunciations: a sound or word, what is accepted instead, the reason; "
            "tabs between them."
        ),
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
    language: Annotated[
        Literal["ko", "en"], typer.Option(help="Language of what is printed and of the page: ko or en.")
    ] = "ko",
    pcm: Pcm = None,
    device: Device = "auto",
    backend: Backend = "auto",
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """Assess how a known text was pronounced, phone by phone, with reasons.

    A recording that cannot be assessed does not fail: its answer states why. Not validated on learners of Korean.
    """
    from soritune.assessment.thresholds import read_stated
    from soritune.assessment.variants import load_variants

    check_files_or_rows(audio, manifest, splits, root)
    check_texts(text, phones, manifest)
    idle = {
        "split": "without --splits" if splits is None else None,
        "field": "without --manifest" if manifest is None else None,
        "language": "with --json and without --html" if as_json and html is None else None,
    }
    if choose_thresholds is not None:
        if manifest is None:
            raise SorituneError(
                "--choose-thresholds needs --manifest, with rows that have `speaker` and `text`"
            )
        idle |= dict.fromkeys(IDLE_IN_CHOICE, "with --choose-thresholds")
    refuse_idle(context, idle)
    fields = pairs(field, "--field")
    check_paths(audio, manifest)
    stated = None if thresholds is None else read_stated(thresholds)
    accepted = None if variants is None else load_variants(variants)
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.inference.model_thresholds import known_thresholds, thresholds_of_model
    from soritune.inference.predictor import Predictor
    from soritune.stages.assess import assess_clips

    items, folder = clips_and_model(
        audio,
        text,
        manifest,
        splits,
        split,
        root,
        bundle,
        checkpoint,
        pcm,
        fields=fields,
        report=None if as_json else partial(_print_columns, language=language),
    )
    if choose_thresholds is not None:
        _choose(choose_thresholds, items, folder, device, backend, base, as_json)
        return
    limits = thresholds_of_model(folder) if stated is None else stated.over(known_thresholds(folder))
    if html is not None and manifest is not None and not as_json:
        _warn_without_speakers(items, language)
    detector = None if asr_model is None else open_recogniser(asr_model, device=device)
    predictor = Predictor.load(folder, device=device, backend=backend, base=base, vad="off")
    pages = None if html is None else Pages(html, language)
    result = Result(language, as_json, output)
    recognised = 0.0
    with ExitStack() as stack:
        stream = None
        if output is not None:
            part = stack.enter_context(whole_file(output))
            stream = stack.enter_context(part.open("w", encoding="utf-8", newline="\n"))
        bar = stack.enter_context(progress.Console(quiet=as_json).bar("assess", len(items), lines=True))

        def heard(count: float) -> None:
            nonlocal recognised
            recognised += count
            bar.update(result.total, len(items), f"({recognised:.0f} recognised)")

        answers = assess_clips(
            predictor,
            items,
            phones=phones.split() if phones else None,
            thresholds=limits,
            variants=accepted,
            detector=detector,
            vad=vad,
            progress=heard,
            listen=None if pages is None else pages.listen,
        )
        for answer in answers if pages is None else pages.collect(answers):
            if stream is not None:
                stream.write(json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n")
            result.add(answer)
            bar.advance()
    result.close(pages, 0 if pages is None else pages.write())
    # The libraries have millions of objects, which the interpreter would search for garbage again at its end.
    atexit.register(gc.freeze)
    if result.unreadable:
        raise typer.Exit(1)


class Result:
    """Prints answers as they come, and keeps what the end needs.

    Args:
        language: of the lines.
        as_json: print one JSON object at the end instead.
        output: the file that gets all answers; None where the terminal must show all.
    """

    def __init__(self, language: Language, as_json: bool, output: Path | None) -> None:
        self.language, self.as_json, self.output = language, as_json, output
        self.total = self.unreadable = self._printed = 0
        self._kept: list[dict[str, Any]] = []
        self._refused: list[dict[str, Any]] = []

    def add(self, answer: dict[str, Any]) -> None:
        """Prints or keeps an answer."""
        self.total += 1
        self.unreadable += answer["outcome"] == "unreadable-audio"
        if not answer["assessable"]:
            self._refused.append({key: answer[key] for key in ("id", "outcome", "reason_text")})
        if self.as_json:
            if self.output is None:
                self._kept.append(answer)
        elif self.output is None or self._printed < SHOWN:
            self._printed += 1
            _print(answer_lines(answer, self.language))

    def close(self, pages: Pages | None, written: int) -> None:
        """Prints the end.

        Args:
            pages: that were written.
            written: number of their files.
        """
        if self.as_json:
            summary = {"clips": self.total, "unreadable": self.unreadable}
            print_json(
                summary | ({"answers": self._kept} if self.output is None else {"output": str(self.output)})
            )
            return
        words = WORDS[self.language]
        if self.total > self._printed:
            print_line(words["more"].format(count=self.total - self._printed, file=self.output))
        _print(closing_lines(self.total, self._refused, self.language))
        if self.output is not None:
            print_line(words["answers"].format(total=self.total, file=self.output))
        if pages is not None:
            learners = words["pages"].format(count=written - 1) if written > 1 else ""
            print_line(f"{pages.path}{learners}")
        print_error(words["notice"], style="dim")


def _print(lines: Iterable[Line]) -> None:
    for text, style in lines:
        print_line(text, style=style)


def _print_columns(table: TableColumns, language: Language) -> None:
    """States which columns of a table are read; those of dates are used too."""
    from soritune.inference.assessor import DATES

    dates = {name: "date" for name in table.others if name in DATES}
    ignored = [name for name in table.others if name not in dates]
    print_error(columns_line(table.file, {**table.fields, **dates}, ignored, language), style="dim")


def _warn_without_speakers(rows: Manifest, language: Language) -> None:
    speakers = rows.column("speaker")
    if len(rows) > 1 and speakers.null_count == len(rows):
        print_error(WORDS[language]["no-speaker"], style="yellow")


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
