"""Options that the corpus verbs share, the manifest that they name, and what they print of one.

Next: `cli/corpus.py`, `cli/check.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from soritune.cli.source_options import constants, pairs
from soritune.cli.terminal import escape, print_markup
from soritune.cli.terminal import output as terminal
from soritune.terminal_text import counted

if TYPE_CHECKING:
    from soritune.corpus.checks import Quarantined
    from soritune.corpus.manifest import Manifest

logger = logging.getLogger(__name__)
RootOption = Annotated[
    Path | None, typer.Option(help="Where relative audio paths start; default: as stored.")
]
FieldOption = Annotated[
    list[str] | None,
    typer.Option("--field", help="FIELD=NAME: read an utterance field from the file's NAME."),
]
ConstantOption = Annotated[
    list[str] | None,
    typer.Option("--constant", help="FIELD=VALUE for every row without a value in this field."),
]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE of the source's settings; the value is YAML.")
]
PrefixOption = Annotated[
    bool, typer.Option("--prefix", help="Put each manifest's folder name before its ids.")
]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 when anything is quarantined.")]


def loaded_manifest(
    manifest: Path, root: Path | None, field: list[str] | None, constant: list[str] | None
) -> Manifest:
    """The manifest as the options state that it is read; a constant that no row takes is a warning."""
    from soritune.corpus.manifest import load_manifest
    from soritune.corpus.reading.field_mapping import convert

    given = constants(constant)
    rows = load_manifest(manifest, root=root, fields=pairs(field, "--field"), constants=given)
    for name, value in given.items():
        wanted = convert(name, value)
        values = (tuple(v) if isinstance(v, list) else v for v in rows.column(name).unique().to_pylist())
        if wanted not in values:
            logger.warning(
                "--constant %s=%s is used in no row, because every row has another value", name, value
            )
    return rows


def label_fields() -> tuple[str, ...]:
    """The manifest columns with labels of any task that is installed; these verbs have no recipe."""
    from soritune.registry import members
    from soritune.tasks.task import is_task, label_fields

    return label_fields(members("soritune.tasks", "TASK", is_task).values())


def manifest_counts(manifest: Manifest) -> dict[str, Any]:
    """Utterances, hours and speakers, and where the audio is."""
    from soritune.corpus.splitting.grouping import speakers_of

    return {
        "utterances": len(manifest),
        "hours": manifest.hours,
        "speakers": len(speakers_of(manifest)),
        "root": str(manifest.root),
    }


def counts_text(counts: dict[str, Any]) -> str:
    """The same as a line."""
    utterances, speakers = counted(counts["utterances"], "utterance"), counted(counts["speakers"], "speaker")
    return f"{utterances}, {counts['hours']:.2f} h, {speakers}"


def print_table(column: str, rows: dict[str, dict[str, Any]]) -> None:
    """Prints a table of `count_tables`."""
    table = Table(column)
    for heading in ("utterances", "hours", "speakers"):
        table.add_column(heading, justify="right")
    for value, row in rows.items():
        table.add_row(escape(value), f"{row['utterances']:,}", f"{row['hours']:.2f}", f"{row['speakers']:,}")
    terminal(wrap=False).print(table)


def print_quarantined(rows: Sequence[Quarantined], file: Path | None) -> None:
    """Prints how many rows were left out, and the first of them."""
    if not rows:
        return
    arrow = "" if file is None else f" → {escape(str(file))}"
    print_markup(f"[yellow]{len(rows):,} quarantined[/yellow]{arrow}")
    for row in rows[:5]:
        print_markup(f"  {escape(row.id or row.audio)}: {escape(row.reason)} ({row.stage})")
    if len(rows) > 5:
        print_markup(f"  … and {len(rows) - 5:,} more")
