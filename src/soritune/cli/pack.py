"""`soritune pack`: a corpus in few large files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soritune import progress
from soritune.cli.engine_options import Actors, Engine, RayAddress, chosen_engine
from soritune.cli.terminal import AsJson, escape, print_json, print_markup

if TYPE_CHECKING:
    from soritune.corpus.packed.pack import Packed


def pack(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet or .jsonl")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the shards and for the manifest of their rows.")
    ],
    root: Annotated[
        Path | None, typer.Option(help="Where relative audio paths start; default: as stored.")
    ] = None,
    rows_per_shard: Annotated[int, typer.Option(help="Rows of one file.", min=1)] = 2000,
    workers: Annotated[
        int | None, typer.Option(help="Processes; default: one per core. Changes no byte.", min=1)
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Pack shards again from which rows were left out.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare finished shards with their hashes; pack damaged ones again."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a row is left out.")] = False,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    actors: Actors = None,
    as_json: AsJson = False,
) -> None:
    """Pack recordings into shards of 16 kHz FLAC. The same command resumes; finished shards are not packed again."""
    from soritune.corpus.manifest import load_manifest
    from soritune.corpus.packed.pack import pack as run

    cluster = chosen_engine(context, engine, ray_address, actors)
    rows = load_manifest(manifest, root=root)
    console = progress.Console(quiet=as_json)
    with console.bar("pack", total=len(rows)) as bar:
        packed = run(
            rows,
            output,
            rows_per_shard=rows_per_shard,
            workers=workers,
            retry=retry,
            verify=verify,
            progress=bar.update,
            engine=cluster,
        )
    if as_json:
        print_json(
            {
                "manifest": str(packed.manifest.path),
                "rows": len(packed.manifest),
                "hours": packed.seconds / 3600,
                "bytes": packed.num_bytes,
                "shards": packed.num_shards,
                "new_shards": packed.num_new,
                "left_out": packed.num_left_out,
                "clipped_samples": packed.num_clipped,
                "damaged": list(packed.damaged),
            }
        )
    else:
        _print(packed, output)
    if strict and packed.num_left_out:
        raise typer.Exit(1)


def _print(packed: Packed, folder: Path) -> None:
    from soritune.corpus.file_names import QUARANTINE_FILE

    for sentence in packed.damaged:
        print_markup(f"[yellow]{escape(sentence)}[/yellow]")
    done = packed.num_shards - packed.num_new
    shards = f"{packed.num_shards:,} shard{'s' if packed.num_shards != 1 else ''}"
    were_done = f", {done:,} of them done before" if done else ""
    print_markup(
        f"{len(packed.manifest):,} utterances, {packed.seconds / 3600:.2f} h, {packed.num_bytes / 1e9:.2f} GB in "
        f"{shards}{were_done} → {escape(str(packed.manifest.path))}"
    )
    if packed.num_clipped:
        print_markup(f"{packed.num_clipped:,} samples were beyond full scale after resampling and are cut")
    if packed.num_left_out:
        print_markup(
            f"[yellow]{packed.num_left_out:,} left out[/yellow] → {escape(str(folder / QUARANTINE_FILE))}; --retry "
            "packs them when their recordings can be read"
        )
