"""`soritune align`: audio and its text in, the times of phones, syllables and words out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soritune import progress
from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.cli.file_options import Pcm, Root, Split, Splits, check_files_or_rows
from soritune.cli.given_options import refuse_idle
from soritune.cli.model_options import Backend, Base, Device
from soritune.cli.terminal import print_error, print_json, print_line
from soritune.cli.time_options import (
    Ctm,
    Srt,
    TextGrids,
    Tier,
    Vtt,
    idle_tier,
    print_time_files,
    time_outputs,
)

if TYPE_CHECKING:
    from soritune.stages.align import AlignedClip

SHOWN = 20
"""Clips whose words are printed."""


def align(
    context: typer.Context,
    audio: Annotated[list[Path] | None, typer.Argument(help="Audio files; all have the same --text.")] = None,
    text: Annotated[str | None, typer.Option(help="What is spoken in the files.")] = None,
    phones: Annotated[
        str | None, typer.Option(help="Instead of --text: phones with spaces between, | between words.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Align the rows of a manifest with their own texts instead of files.")
    ] = None,
    splits: Splits = None,
    split: Split = "test",
    root: Root = None,
    bundle: Annotated[
        str | None,
        typer.Option("--bundle", "-b", help=f"Model folder with phones; without it, {DEFAULT_MODEL}."),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Bundle of a run folder: best, last, best_loss, …")
    ] = None,
    textgrid: TextGrids = None,
    ctm: Ctm = None,
    srt: Srt = None,
    vtt: Vtt = None,
    tier: Tier = "words",
    pcm: Pcm = None,
    device: Device = "auto",
    backend: Backend = "pytorch",
    base: Base = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Find when each word, syllable and phone of a known text is spoken.

    Of the accepted pronunciations of the text the one that fits the recording best is taken.
    """
    from soritune.assessment.time_files import time_files
    from soritune.inference.predictor import Predictor
    from soritune.stages.align import align_clips

    check_files_or_rows(audio, manifest, splits, root)
    check_texts(text, phones, manifest)
    refuse_idle(
        context,
        {
            "split": "without --splits" if splits is None else None,
            "tier": idle_tier(ctm, srt, vtt),
        },
    )
    outputs = time_outputs(textgrid, ctm, srt, vtt, tier)
    items, folder = clips_and_model(audio, text, manifest, splits, split, root, bundle, checkpoint, pcm)
    predictor = Predictor.load(folder, device=device, backend=backend, base=base, vad="off")
    console = progress.Console(quiet=as_json or len(items) < 10)
    kept: list[AlignedClip] = []
    failed = 0
    with time_files(outputs) as add, console.bar("align", len(items)) as bar:
        for clip in align_clips(
            predictor, items, phones=phones.split() if phones else None, progress=bar.advance
        ):
            failed += clip.error is not None
            if clip.tiers is not None:
                add(clip.id, clip.tiers, clip.duration_s)
            if as_json or clip.error is not None or len(kept) < SHOWN:
                kept.append(clip)
    if as_json:
        print_json({"aligned": len(items) - failed, "failed": failed, "clips": [c.to_json() for c in kept]})
    else:
        _print(kept)
        print_time_files(outputs)
    if failed:
        raise typer.Exit(1)


def check_texts(text: str | None, phones: str | None, manifest: Path | None) -> None:
    """Checks that files come with one text or phones, and a manifest with neither.

    Raises:
        SorituneError: they do not.
    """
    from soritune.errors import SorituneError

    if manifest is not None and (text is not None or phones is not None):
        raise SorituneError("the rows of a manifest have their own texts; leave out --text and --phones")
    if manifest is None and (text is None) == (phones is None):
        raise SorituneError("give what is spoken in the files, either as --text or as --phones")
    if (text is not None and not text.strip()) or (phones is not None and not phones.split()):
        raise SorituneError("the text is empty; give what is spoken in the files")


def clips_and_model(
    audio: list[Path] | None,
    text: str | None,
    manifest: Path | None,
    splits: Path | None,
    split: str,
    root: Path | None,
    bundle: str | None,
    checkpoint: str | None,
    pcm: str | None,
) -> tuple[Any, Path]:
    """What is aligned or assessed, and the folder of the model."""
    from soritune.cli.predict import without_repeats
    from soritune.run_folder import choose_bundle
    from soritune.stages.predict import default_model, find_files, reading_of, select_rows

    reading = reading_of(None, pcm, manifest)
    folder = choose_bundle(bundle or default_model(), checkpoint)
    if manifest is not None:
        rows, _ = select_rows(manifest, splits, split, bundles=[folder], root=root)
        return rows, folder
    spoken = {} if text is None else {"text": text}
    return [{**spoken, **reading, "audio": path} for path in without_repeats(find_files(audio or []))], folder


def _print(clips: list[AlignedClip]) -> None:
    for clip in clips:
        if clip.error is not None:
            print_error(f"{clip.id}: {clip.error}")
            continue
        assert clip.tiers is not None
        print_line(f"{clip.id}", style="bold")
        for word in clip.tiers.words or clip.tiers.phones:
            print_line(f"  {word.start_s:8.3f} {word.end_s:8.3f}  {word.text}")
