"""Which column of a table holds which utterance field, by the names in its header."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from soritune.corpus.reading.field_mapping import END
from soritune.corpus.reading.table_rows import Table
from soritune.corpus.reading.value_reader import MAPPABLE
from soritune.errors import ManifestError, nearest
from soritune.korean.hangul import composed

ALIASES = {
    "audio": ("file_path", "path", "audio", "wav", "filename", "file", "audio_path", "wav_path"),
    "emotion": ("emotion", "label"),
    "start_s": ("start_s", "start"),
    "duration_s": ("duration_s", "duration"),
    END: (END, "end"),
}
"""Utterance field → names of its column in order of preference. Any other field has a column of its own name. `id` is
read only if it is mapped: columns with this name are as often row numbers."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table, by index."""

    of_field: Mapping[str, int]
    """Utterance field (or `end_s`) → index of its column."""
    others: Mapping[str, int]
    """Name → index of each column that no field uses."""


def find_columns(table: Table, mapped: Mapping[str, str], *, strict: bool = True) -> Columns:
    """Finds the column of every field.

    Args:
        table: The table.
        mapped: Utterance field → name of its column, instead of the usual names.
        strict: Refuse a table without a mapped column; otherwise those that exist are returned.

    Raises:
        ManifestError: a mapped column, or one for the audio, is missing or occurs more than once.
    """
    plain_names = [plain_name(name) for name in table.header]
    of_field: dict[str, int] = {}
    for field in MAPPABLE:
        name = mapped.get(field)
        if name is None and field == "id":
            continue
        names = (name,) if name is not None else ALIASES.get(field, (field,))
        indices = _indices_of(table.header, plain_names, names)
        if len(indices) > 1 and strict:
            raise ManifestError(
                f"has {len(indices)} columns called '{table.header[indices[0]]}', so '{field}' cannot be read",
                path=table.path,
            )
        if indices:
            of_field[field] = indices[0]
        elif strict and (name is not None or field == "audio"):
            raise ManifestError(_no_column(table, field, name), path=table.path, field=field)
    used = set(of_field.values())
    others: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for index, name in enumerate(table.header):
        if name and index not in used:
            counts[name] += 1
            others[name if counts[name] == 1 else f"{name} {counts[name]}"] = index
    return Columns(of_field, others)


def lookalikes(table: Table, columns: Columns) -> dict[str, list[str]]:
    """Field → the columns that are not read and have a usual name for it too, as `file_path` and `audio`."""
    return {
        field: others
        for field, names in ALIASES.items()
        if field in columns.of_field
        and (others := [o for o in columns.others if plain_name(o) in {plain_name(name) for name in names}])
    }


def is_header(cells: list[str], mapped: Mapping[str, str]) -> bool:
    """Whether a row of cells names the column of the audio."""
    audio = {plain_name(name) for name in ([mapped["audio"]] if "audio" in mapped else ALIASES["audio"])}
    return any(plain_name(cell) in audio for cell in cells)


def plain_name(name: str) -> str:
    """A column's name without case, spaces, `_` and `-`, which do not matter."""
    return re.sub(r"[\s_-]+", "", composed(name)).casefold()


def _indices_of(header: list[str], plain_names: list[str], names: tuple[str, ...]) -> list[int]:
    """Indices of the columns with the first of `names` that occurs: spelt exactly so, or else in plain spelling."""
    for name in names:
        exact = [index for index, heading in enumerate(header) if heading == composed(name)]
        plain = [index for index, heading in enumerate(plain_names) if heading == plain_name(name)]
        if exact or plain:
            return exact or plain
    return []


def _no_column(table: Table, field: str, name: str | None) -> str:
    present = [heading for heading in table.header if heading]
    if name is None:
        name = " or ".join(ALIASES.get(field, (field,))[:5])
    hint = nearest(name, present)
    return (
        f"has no column {name} (for '{field}'); there are: {', '.join(present) or 'none'}; "
        f"map another one with --field {field}={hint or 'NAME'}, or name them all with columns=[…] "
        "where the table has no header"
    )
