"""`soritune manifest-to`: a manifest in the layout of another toolkit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soritune.cli.file_options import Root
from soritune.cli.terminal import AsJson, escape, print_json, print_markup
from soritune.errors import OutputError, SplitError

if TYPE_CHECKING:
    from soritune.corpus.exports.export import Parts
    from soritune.corpus.manifest import Manifest


def manifest_to(
    layout: Annotated[str, typer.Argument(help="kaldi, nemo, lhotse or hf-datasets.")],
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet or .jsonl")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    splits: Annotated[
        Path | None,
        typer.Option(help="Splits file; each split is then written apart, without the unused rows."),
    ] = None,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write a manifest as Kaldi, NeMo, lhotse or Hugging Face datasets read it. Audio is not copied."""
    from soritune.corpus.exports.export import Export
    from soritune.corpus.manifest import load_manifest
    from soritune.registry import load_member

    export: Export = load_member("soritune.corpus.exports", "EXPORT", layout, "export")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output}: exists and is not an empty folder; name another one")
    loaded = load_manifest(manifest, root=root)
    parts = _parts(loaded, splits)
    notes = export.write(parts, output)
    if as_json:
        counts = {name or "all": len(part) for name, part in parts.items()}
        print_json({"layout": layout, "utterances": counts, "notes": notes, "out": str(output)})
        return
    for name, part in parts.items():
        print_markup(f"{'' if name is None else f'{name}: '}{len(part):,} utterances, {part.hours:.2f} h")
    for note in notes:
        print_markup(f"[yellow]note:[/yellow] {escape(note)}")
    print_markup(f"→ {escape(str(output))}")


def _parts(manifest: Manifest, splits: Path | None) -> Parts:
    """The splits that have rows; without a splits file, all rows.

    Raises:
        SplitError: no row is in a split.
    """
    from soritune.corpus.splitting.splits import SPLITS, load_splits

    if splits is None:
        return {None: manifest}
    loaded = load_splits(splits)
    parts: dict[str | None, Manifest] = {
        name: manifest.select(rows) for name in SPLITS if len(rows := loaded.indices(manifest, name))
    }
    if not parts:
        raise SplitError(f"{splits}: no row of the manifest is in train, val or test")
    return parts
