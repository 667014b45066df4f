"""`soritune align`: audio and its text in, the times of phones, syllables and words out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soritune import progress
from soritune.cli.assessment_lines import columns_line
from soritune.cli.file_options import Pcm, Root, Split, Splits, check_files_or_rows
from soritune.cli.given_options import refuse_idle
from soritune.cli.manifest_options import FieldOption
from soritune.cli.model_options import Backend, Base, Checkpoint, Device
from soritune.cli.source_options import pairs
from soritune.cli.terminal import AsJson, announce, print_error, print_json, print_line
from soritune.cli.text_options import PhoneModel, Phones, SpokenFiles, check_texts, clips_and_model
from soritune.cli.time_options import (
    Ctm,
    Srt,
    TextGrids,
    Tier,
    TimesCsv,
    Vtt,
    idle_tier,
    print_time_files,
    time_outputs,
)
from soritune.terminal_text import counted

if TYPE_CHECKING:
    from soritune.corpus.unmeasured import TableColumns
    from soritune.stages.align import AlignedClip

SHOWN = 20
"""Clips whose words are printed."""


def align(
    context: typer.Context,
    audio: SpokenFiles = None,
    text: Annotated[str | None, typer.Option(help="What is spoken in the files.")] = None,
    phones: Phones = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Align the rows of a manifest with their own texts instead of files.")
    ] = None,
    splits: Splits = None,
    split: Split = "test",
    root: Root = None,
    field: FieldOption = None,
    bundle: PhoneModel = None,
    checkpoint: Checkpoint = None,
    textgrid: TextGrids = None,
    ctm: Ctm = None,
    srt: Srt = None,
    vtt: Vtt = None,
    tier: Tier = "words",
    times_csv: TimesCsv = None,
    pcm: Pcm = None,
    device: Device = "auto",
    backend: Backend = "auto",
    base: Base = None,
    as_json: AsJson = False,
) -> None:
    """Find when each word, syllable and phone of a known text is spoken.

    Of the accepted pronunciations of the text the one that fits the recording best is taken.
    """
    announce("loading the libraries and the model", quiet=as_json)
    from soritune.assessment.time_files import time_files
    from soritune.inference.predictor import Predictor
    from soritune.stages.align import align_clips

    check_files_or_rows(audio, manifest, splits, root)
    check_texts(text, phones, manifest)
    refuse_idle(
        context,
        {
            "split": "without --splits" if splits is None else None,
            "field": "without --manifest" if manifest is None else None,
            "tier": idle_tier(ctm, srt, vtt),
        },
    )
    outputs = time_outputs(textgrid, ctm, srt, vtt, tier, times_csv)
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
        fields=pairs(field, "--field"),
        report=None if as_json else _print_columns,
    )
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
        if len(items) > len(kept):
            hint = "" if outputs.any else "; --times-csv FILE.csv writes all of them"
            print_line(f"{counted(len(items) - len(kept), 'more clip')} aligned{hint}")
        print_time_files(outputs)
    if failed:
        raise typer.Exit(1)


def _print_columns(table: TableColumns) -> None:
    print_error(columns_line(table.file, table.fields, table.others, "en"), style="dim")


def _print(clips: list[AlignedClip]) -> None:
    for clip in clips:
        if clip.error is not None:
            print_error(f"{clip.id}: {clip.error}")
            continue
        assert clip.tiers is not None
        print_line(f"{clip.id}", style="bold")
        for word in clip.tiers.words or clip.tiers.phones:
            print_line(f"  {word.start_s:8.3f} {word.end_s:8.3f}  {word.text}")
