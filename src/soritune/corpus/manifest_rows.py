"""The rows of a Parquet or JSONL file of any origin, with the line numbers that errors need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from soritune.corpus.reading.field_mapping import FieldMapping
from soritune.corpus.reading.json_text import parse_noting_repeats
from soritune.errors import ManifestError, reason_of
from soritune.strict_json import parse_json

_SAMPLE_LINES = 1000
"""A JSONL key counts as absent if none of the first lines, up to this number, has it."""


_WORKBOOK = ", after saving the workbook as CSV"
_TABLES = {".csv": "", ".tsv": "", **dict.fromkeys((".xlsx", ".xls", ".ods"), _WORKBOOK)}
"""Suffixes of tables → what has to be done before the source `csv` reads them."""


def manifest_kind(path: Path) -> str:
    """The format that a manifest's suffix names: "parquet" or "jsonl".

    Raises:
        ManifestError: another suffix.
    """
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        raise ManifestError(
            f"is a table, and a manifest ends in .parquet or .jsonl; read it with the source csv: data.source=csv in a "
            f"recipe, or `soritune prepare csv {path} --out FOLDER`{_TABLES[suffix]}",
            path=path,
        )
    if suffix not in (".parquet", ".jsonl"):
        raise ManifestError(f"a manifest ends in .parquet or .jsonl, not in '{path.suffix}'", path=path)
    return suffix[1:]


def read_rows(
    path: Path, mapping: FieldMapping, repeated: Counter[str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line from 1, row) of a .jsonl or .parquet file, after checking that the mapped columns are there.

    Args:
        path: the file.
        mapping: its columns.
        repeated: counts the keys that are twice in one object of a .jsonl file, of which the last value counts.

    Raises:
        ManifestError: missing file, unknown suffix, not UTF-8, a line that is not a JSON object, a missing column.
    """
    kind = manifest_kind(path)
    if not path.is_file():
        raise ManifestError("does not exist" if not path.exists() else "is not a file", path=path)
    return (
        _parquet_rows(path, mapping)
        if kind == "parquet"
        else _jsonl_rows(path, mapping, Counter() if repeated is None else repeated)
    )


def _parquet_rows(path: Path, mapping: FieldMapping) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        file = pq.ParquetFile(path)
        mapping.check_columns(file.schema_arrow.names, path)
        line = 0
        for batch in file.iter_batches(batch_size=8192):
            for row in batch.to_pylist():
                line += 1
                if isinstance(row.get("extra"), str):  # our own files keep it as text
                    row["extra"] = extra_of(row["extra"], path, line)
                yield line, row
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"is not a readable Parquet file ({reason_of(error)})", path=path) from error


def extra_of(text: str, path: Path | None = None, line: int | None = None) -> dict[str, Any]:
    """The value of the column `extra`, which own files keep as JSON.

    Raises:
        ManifestError: it is not a JSON object; `path` and `line` are those of the message.
    """
    try:
        extra = parse_json(text)
    except ValueError as error:
        raise ManifestError(
            f"'extra' is not JSON ({error}): {text[:40]!r}", path=path, line=line, field="extra"
        ) from error
    if not isinstance(extra, dict):
        raise ManifestError(
            f"'extra' must be a JSON object, got {text[:40]!r}", path=path, line=line, field="extra"
        )
    return extra


def _jsonl_rows(
    path: Path, mapping: FieldMapping, repeated: Counter[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    waiting: list[tuple[int, dict[str, Any]]] = []
    seen: set[str] = set()
    checked = False
    for line, row in _json_lines(path, repeated):
        if checked:
            yield line, row
            continue
        waiting.append((line, row))
        seen.update(row)
        if len(waiting) == _SAMPLE_LINES:
            mapping.check_columns(seen, path)
            checked = True
            yield from waiting
    if not checked:
        if not waiting:
            raise ManifestError("holds no utterances", path=path)
        mapping.check_columns(seen, path)
        yield from waiting


def _json_lines(path: Path, repeated: Counter[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        stream = path.open("rb")
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=path) from error
    with stream:
        for number, raw in enumerate(stream, start=1):
            text = decode_text(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, path, number)
            if not text.strip():
                continue
            try:
                row, twice = parse_noting_repeats(text, parse_constant=float)
            except ValueError as error:
                raise ManifestError(f"is not a JSON object ({error})", path=path, line=number) from error
            if not isinstance(row, dict):
                raise ManifestError(
                    f"must be a JSON object, got {type(row).__name__}", path=path, line=number
                )
            repeated.update(twice)
            yield number, row


def decode_text(raw: bytes, path: Path, line: int | None = None) -> str:
    """UTF-8 bytes as text.

    Raises:
        ManifestError: they are not UTF-8; if they fit CP949, the message has the command that converts them.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            raw.decode("cp949")
            guess = "it looks like CP949; convert the file with: iconv -f CP949 -t UTF-8"
        except UnicodeDecodeError:
            guess = "save the file as UTF-8"
        raise ManifestError(f"is not UTF-8 text; {guess}", path=path, line=line) from None
