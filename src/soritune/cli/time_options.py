"""Options of the verbs that give times of phones, syllables and words: --textgrid, --ctm, --srt, --vtt, --tier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from soritune.cli.terminal import print_line

if TYPE_CHECKING:
    from soritune.assessment.time_files import TimeOutputs
    from soritune.inference.predictions import Row

TextGrids = Annotated[
    Path | None,
    typer.Option("--textgrid", help="Folder for a TextGrid of Praat per clip (extra `textgrid`)."),
]
Ctm = Annotated[Path | None, typer.Option("--ctm", help="CTM file with a line per word of all clips.")]
Srt = Annotated[Path | None, typer.Option("--srt", help="Folder for subtitles in SRT per clip.")]
Vtt = Annotated[Path | None, typer.Option("--vtt", help="Folder for subtitles in WebVTT per clip.")]
TimesCsv = Annotated[
    Path | None,
    typer.Option("--times-csv", help="Table with a line per word, syllable and phone of all clips (.csv)."),
]
Tier = Annotated[
    Literal["words", "syllables", "phones"],
    typer.Option(
        "--tier", help="What a line of CTM, or a piece of a subtitle, is: words, syllables or phones."
    ),
]


def time_outputs(
    textgrid: Path | None,
    ctm: Path | None,
    srt: Path | None,
    vtt: Path | None,
    tier: Literal["words", "syllables", "phones"],
    times_csv: Path | None = None,
) -> TimeOutputs:
    """The outputs, checked before a model is loaded.

    Raises:
        SorituneError, OutputError: see `TimeOutputs.check`.
    """
    from soritune.assessment.time_files import TimeOutputs

    outputs = TimeOutputs(textgrid, ctm, srt, vtt, tier, times_csv)
    outputs.check()
    return outputs


def idle_tier(*files: Path | None) -> str | None:
    """Why `--tier` cannot act, given the outputs that it is for."""
    return "without --ctm, --srt or --vtt" if all(file is None for file in files) else None


def watch_times(rows: Iterable[Row], outputs: TimeOutputs) -> Iterator[Row]:
    """Passes predicted rows on as they come, and writes the times that they have."""
    from soritune.assessment.time_files import time_files
    from soritune.assessment.timing import Tiers

    with time_files(outputs) as add:
        for row in rows:
            timed = [answer["prediction"].get("times") for answer in row.get("tasks", {}).values()]
            times = next((each for each in timed if each is not None), None)
            if times is not None:
                add(row["id"], Tiers.from_json(times), row["duration_s"])
            yield row


def print_time_files(outputs: TimeOutputs) -> None:
    """Reports where times are."""
    names: Sequence[tuple[str, Path | None]] = (
        ("TextGrid files", outputs.textgrid),
        ("times as CTM", outputs.ctm),
        ("times as CSV", outputs.csv),
        ("subtitles (SRT)", outputs.srt),
        ("subtitles (WebVTT)", outputs.vtt),
    )
    for title, path in names:
        if path is not None:
            print_line(f"{title} in {path}")
