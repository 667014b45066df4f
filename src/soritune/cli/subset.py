"""`soritune subset`: whole speakers with a given number of hours, as a manifest of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from soritune.cli.file_options import Root
from soritune.cli.terminal import AsJson, escape, print_json, print_markup
from soritune.cli.terminal import output as terminal
from soritune.errors import OutputError, SplitError

if TYPE_CHECKING:
    from soritune.corpus.splitting.speaker_subset import Subset


def subset(
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet or .jsonl")],
    hours: Annotated[float, typer.Option(help="Hours of the subset; it gets these or a little more.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Manifest that is written, .parquet; shares get its name and -10."
        ),
    ],
    stratify: Annotated[
        str,
        typer.Option(
            help="Columns whose shares of hours should be those of the corpus, e.g. age,snr_db,gender."
        ),
    ] = "",
    shares: Annotated[
        str,
        typer.Option(
            help="Nested parts for a curriculum, in percent of the hours, each in its own file: 10,30,100."
        ),
    ] = "100",
    tolerance: Annotated[
        float, typer.Option(help="How much more than asked each subset may have, in percent.", min=0)
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Another seed gives another subset.")] = 0,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Choose whole speakers with a given number of hours that resemble the whole corpus."""
    from soritune.corpus.manifest import copy_manifest, load_manifest
    from soritune.corpus.splitting.speaker_subset import make_subsets

    if output.suffix != ".parquet":
        raise OutputError(
            f"{output}: a subset is written as .parquet; name the file so, as in -o pilot.parquet"
        )
    if output.exists() and output.samefile(manifest):
        raise OutputError(f"{output}: is the manifest itself; name another file")
    loaded = load_manifest(manifest, root=root)
    fields = [name.strip() for name in stratify.split(",") if name.strip()]
    made = make_subsets(
        loaded,
        hours,
        stratify=fields,
        shares=_shares(shares),
        tolerance=tolerance / 100,
        seed=seed,
    )
    files = [_file_of(output, part.share) for part in made]
    for part, file in zip(made, files, strict=True):
        copy_manifest(file, loaded.select(part.rows))
    if as_json:
        print_json(_as_json(made, files, hours, fields, seed))
    else:
        _print(made, files, fields)


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part.strip().removesuffix("%")) for part in text.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0 < share <= 100 for share in shares):
        raise SplitError(
            f"--shares expects percentages above 0 and at most 100 with commas, such as 10,30,100; got '{text}'"
        )
    return [share / 100 for share in shares]


def _file_of(output: Path, share: float) -> Path:
    """The file of a share: that of the whole subset, with the percentage after its stem."""
    return output if share == 1 else output.with_stem(f"{output.stem}-{100 * share:g}")


def _as_json(
    made: Sequence[Subset], files: Sequence[Path], hours: float, fields: Sequence[str], seed: int
) -> dict[str, Any]:
    rows = [{"out": str(file), **part.as_json()} for part, file in zip(made, files, strict=True)]
    return {"hours": hours, "stratify": list(fields), "seed": seed, "subsets": rows}


def _print(made: Sequence[Subset], files: Sequence[Path], fields: Sequence[str]) -> None:
    table = Table("file", "share", "utterances", "hours", "speakers", *map(escape, fields))
    for part, file in zip(made, files, strict=True):
        distances = [f"{part.distances[name]:.3f}" for name in fields]
        counts = [f"{len(part.rows):,}", f"{part.hours:.2f}", f"{part.speakers:,}"]
        table.add_row(escape(file.name), f"{100 * part.share:g} %", *counts, *distances)
    terminal(wrap=False).print(table)
    if fields:
        print_markup("distances: total variation from the corpus, by hours (0: equal, 1: nothing in common)")
    print_markup(f"→ {escape(str(files[-1]))}")
