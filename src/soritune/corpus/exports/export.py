"""The contract of an export: a file here that binds `EXPORT` can be named in `soritune manifest-to`.

An export writes the rows of a manifest in the layout of another toolkit. It opens audio only to learn what the layout
needs, and copies none: paths are absolute. What the layout cannot hold is reported, never dropped silently. The source
of the same name reads the result again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from soritune.corpus.manifest import Manifest
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import ManifestError

Parts = Mapping[str | None, Manifest]
"""Name of a split → its rows; None for a manifest that is not split."""


@dataclass(frozen=True)
class Export:
    """A member of this folder."""

    write: Callable[[Parts, Path], list[str]]
    """`write(parts, folder)` writes files into `folder`, and returns sentences about what the layout does not hold.

    Raises:
        ManifestError: a row cannot be written in this layout.
        OutputError: a file cannot be written.
    """
    description: str
    """One line for `soritune manifest-to --help`."""


def rows_with_paths(manifest: Manifest) -> Iterator[tuple[Utterance, str]]:
    """Every row, and the absolute path of its recording.

    Raises:
        ManifestError: a recording without a header, whose format no other layout states.
    """
    for row in manifest:
        if row.pcm is not None:
            raise ManifestError(
                f"'{row.id}' is a recording without a header ({row.audio}), which other toolkits cannot open; "
                "convert it to WAV or FLAC first"
            )
        yield row, str(manifest.audio_path(row).absolute())


def with_values(row: Utterance, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a row that have a value; tuples as lists."""
    values = {name: getattr(row, name) for name in names}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None
    }


def not_held(parts: Parts, held: tuple[str, ...], layout: str) -> list[str]:
    """Sentences about fields that have values and are not among those that a layout holds."""
    counts: dict[str, int] = {}
    for manifest in parts.values():
        for name in FIELDS:
            column = manifest.column(name)
            if name not in held and column.null_count < len(column):
                counts[name] = counts.get(name, 0) + int(pc.count(column).as_py())
    return [f"{layout} does not hold '{name}', which {count:,} rows have" for name, count in counts.items()]


def part_name(stem: str, split: str | None, suffix: str, separator: str = "_") -> str:
    """The name of a split's file."""
    return f"{stem}{suffix}" if split is None else f"{stem}{separator}{split}{suffix}"
