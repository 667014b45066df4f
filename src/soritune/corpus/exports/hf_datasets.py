"""Data sets of the Hugging Face library `datasets`, as its `load_from_disk` opens them; written without this library.

A split is a folder with an Arrow file (IPC stream), `dataset_info.json` and `state.json`; several are under a
`dataset_dict.json`. The column `audio` has the absolute paths of the recordings, which are not copied. Every field with
a value in any row is a column, and so is every name in `extra`; values of one name that have several types, and
objects, are JSON as text. A stretch of a recording is stated by the columns `start_s` and `duration_s`, which
`datasets` does not apply.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from soritune.corpus.exports.export import Export, Parts, rows_with_paths, with_values
from soritune.corpus.manifest import SCHEMA, Manifest
from soritune.corpus.manifest_rows import extra_of
from soritune.corpus.utterance import FIELDS
from soritune.part_file import blocks_of
from soritune.whole_file import whole_file, write_text

_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_BATCH = 1000
_FILE = "data-00000-of-00001.arrow"


def write(parts: Parts, folder: Path) -> list[str]:
    """Writes a folder of one split, or one for each split under dataset_dict.json."""
    schema = _schema(parts)
    features = {field.name: _feature(field.type) for field in schema}
    info = {"info": {"features": features}}
    stretches = 0
    for split, manifest in parts.items():
        target = folder if split is None else folder / split
        table = schema.with_metadata({"huggingface": json.dumps(info)})
        with whole_file(target / _FILE) as part:
            _write_stream(part, _batches(manifest, table), table)
        stretches += len(manifest) - manifest.column("start_s").null_count
        about = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
        write_text(target / "dataset_info.json", json.dumps(about, indent=2, ensure_ascii=False))
        state: dict[str, Any] = {
            "_data_files": [{"filename": _FILE}],
            "_fingerprint": manifest.hash[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        }
        write_text(target / "state.json", json.dumps(state, indent=2))
    if None not in parts:
        write_text(folder / "dataset_dict.json", json.dumps({"splits": list(parts)}))
    if stretches:
        return [f"{stretches:,} rows are stretches; the library datasets opens their whole recordings"]
    return []


def _write_stream(file: Path, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        for batch in batches:
            stream.write_batch(batch)


def _schema(parts: Parts) -> pa.Schema:
    """The columns of all splits."""
    own = [pa.field("id", pa.string()), pa.field("audio", _AUDIO)]
    for name in FIELDS:
        if name in ("id", "audio", "extra"):
            continue
        if any(manifest.column(name).null_count < len(manifest) for manifest in parts.values()):
            own.append(pa.field(name, SCHEMA.field(name).type))
    taken = {field.name for field in own} | set(FIELDS)
    kinds: dict[str, pa.DataType | None] = {}
    for manifest in parts.values():
        for text in manifest.column("extra").to_pylist():
            for name, value in extra_of(text).items() if text else ():
                kind = _type_of(value)
                known = kinds.setdefault(name, kind)
                kinds[name] = (
                    kind if known is None else known if kind in (None, known) else _common(known, kind)
                )
    return pa.schema(
        [
            *own,
            *(
                pa.field(name, kind or pa.string())
                for name, kind in sorted(kinds.items())
                if name not in taken
            ),
        ]
    )


def _type_of(value: Any) -> pa.DataType | None:
    """The column type of a value; None for a missing one, text for objects and lists of several types."""
    if isinstance(value, dict):
        return pa.string()
    try:
        kind = pa.array([value]).type
    except (pa.ArrowException, OverflowError):
        return pa.string()
    if pa.types.is_null(kind) or (pa.types.is_list(kind) and pa.types.is_null(kind.value_type)):
        return None
    simple = kind.value_type if pa.types.is_list(kind) else kind
    return pa.string() if pa.types.is_nested(simple) else kind


def _common(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    """The type of a column with values of both types."""
    numbers = (pa.int64(), pa.float64())
    return pa.float64() if first in numbers and second in numbers else pa.string()


def _batches(manifest: Manifest, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for block in blocks_of(rows_with_paths(manifest), _BATCH):
        columns: dict[str, list[Any]] = {name: [] for name in schema.names}
        for row, path in block:
            values = {**row.extra, **with_values(row, tuple(n for n in FIELDS if n != "extra"))}
            values["audio"] = {"bytes": None, "path": path}
            for field in schema:
                columns[field.name].append(_cell(values.get(field.name), field.type))
        yield pa.record_batch([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def _cell(value: Any, kind: pa.DataType) -> Any:
    """A value of a column; what does not fit a text is JSON."""
    if value is None or not pa.types.is_string(kind) or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _feature(kind: pa.DataType) -> Any:
    """The description of a column as `datasets` stores it."""
    if kind == _AUDIO:
        return {"_type": "Audio"}
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


EXPORT = Export(write, "Hugging Face datasets: a folder for load_from_disk")
