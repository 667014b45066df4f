"""Tables of the Hugging Face library `datasets` on disk: folders that it saved, and Parquet files as on the hub.

Read by pyarrow. A folder saved by `save_to_disk` has `state.json` with the names of its Arrow files (IPC streams), or
`dataset_dict.json` with the names of its splits. The schema's metadata (key `huggingface`) has the features: which
columns are audio, and the names of labels that are stored as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from soritune.corpus.reading.folder_walk import walk_folders
from soritune.errors import ManifestError, reason_of
from soritune.strict_json import parse_json

_ROWS = 64
"""Rows that are turned into Python objects at once; they contain the recordings."""
_SHARD = re.compile(r"-\d{4,}-of-\d{4,}$")


@dataclass(frozen=True)
class Part:
    """The files of one split."""

    split: str | None
    files: Sequence[Path]


def parts_of(root: Path) -> list[Part]:
    """The splits of a data set.

    Raises:
        ManifestError: the folder has no such data set.
    """
    if root.is_file():
        return [Part(_split_of(root), [root])]
    if (root / "dataset_dict.json").is_file():
        splits = _json(root / "dataset_dict.json").get("splits")
        if not isinstance(splits, list):
            raise ManifestError("names no splits", path=root / "dataset_dict.json")
        return [Part(str(name), _arrow_files(root / str(name))) for name in splits]
    if (root / "state.json").is_file():
        return [Part(None, _arrow_files(root))]
    by_split: dict[str | None, list[Path]] = {}
    for folder in walk_folders(root):
        for name in folder.names:
            if name.endswith((".parquet", ".arrow")):
                by_split.setdefault(_split_of(folder.path / name), []).append(folder.path / name)
    if not by_split:
        raise ManifestError(
            "holds no data set of Hugging Face (dataset_dict.json, state.json or .parquet)", path=root
        )
    return [Part(split, files) for split, files in by_split.items()]


def schema_of(file: Path) -> pa.Schema:
    """The columns of a file.

    Raises:
        ManifestError: it cannot be read.
    """
    try:
        if file.suffix == ".parquet":
            return pq.read_schema(file)
        with pa.memory_map(str(file)) as source:
            return _reader(source).schema
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error


def features_of(schema: pa.Schema) -> Mapping[str, Any]:
    """Column → its feature as `datasets` describes it; empty if the file does not state any."""
    try:
        content = parse_json((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = content["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file.

    Raises:
        ManifestError: it cannot be read.
    """
    try:
        if file.suffix == ".parquet":
            for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS):
                yield from _dicts(batch)
            return
        with pa.memory_map(str(file)) as source:
            for batch in _batches(_reader(source)):
                for start in range(0, batch.num_rows, _ROWS):
                    yield from _dicts(batch.slice(start, _ROWS))
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error


def _dicts(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch. Samples (`{"array": …, "sampling_rate": …}`) stay arrays: Python needs 32 bytes for one."""
    sampled = [field.name for field in batch.schema if _holds_samples(field.type)]
    rest = batch.drop_columns(sampled) if sampled else batch
    for index, row in enumerate(rest.to_pylist() if rest.num_columns else [{}] * batch.num_rows):
        yield {**row, **{name: _sampled(batch.column(name)[index]) for name in sampled}}


def _holds_samples(kind: pa.DataType) -> bool:
    names = {field.name for field in kind} if pa.types.is_struct(kind) else set()
    return {"array", "sampling_rate"} <= names


def _sampled(value: pa.StructScalar) -> dict[str, Any] | None:
    if not value.is_valid:
        return None
    samples = value["array"]
    if samples.is_valid and pa.types.is_nested(samples.values.type):
        channels = [channel.values.to_numpy(zero_copy_only=False) for channel in samples.values]
        array = np.stack(channels) if len({len(channel) for channel in channels}) == 1 else None
    else:
        array = samples.values.to_numpy(zero_copy_only=False) if samples.is_valid else None
    others = {name: value[name].as_py() for name in value if name != "array"}
    return {**others, "array": array}


def _reader(source: pa.NativeFile) -> Any:
    """A reader of the stream or file format, both of which `datasets` has written."""
    try:
        return pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_file(source)


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "num_record_batches"):
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)
    else:
        yield from reader


def _arrow_files(folder: Path) -> list[Path]:
    listed = _json(folder / "state.json").get("_data_files")
    try:
        files = [folder / entry["filename"] for entry in listed or ()]
    except (TypeError, KeyError):
        files = []
    for file in files:
        if not file.is_file():
            raise ManifestError("is named in state.json and does not exist", path=file)
    if not files:
        raise ManifestError("names no data files", path=folder / "state.json")
    return files


def _split_of(file: Path) -> str | None:
    """The split of a shard as on the hub: `train-00000-of-00003.parquet`, or the folder of the shard."""
    stem = file.stem
    return _SHARD.sub("", stem) if _SHARD.search(stem) else stem


def _json(file: Path) -> dict[str, Any]:
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error
    except ValueError as error:
        raise ManifestError(f"is not JSON ({error})", path=file) from error
    if not isinstance(content, dict):
        raise ManifestError("must be a JSON object", path=file)
    return content
