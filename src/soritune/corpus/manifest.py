"""The manifest: a table of utterances, typed Parquet or JSONL, read by column. Next: `corpus/splitting/splits.py`.

Parquet is the working format. Its metadata has the schema version and the root, and a column is read only when it is
used, so 1.77 M rows open at once. JSONL (one object per line) is read and written too; its root is its own folder.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from soritune.audio.files import as_on_disk
from soritune.corpus.audio_root import refuse_outside
from soritune.corpus.content_hash import content_hash
from soritune.corpus.manifest_rows import extra_of, manifest_kind, read_rows
from soritune.corpus.reading.field_mapping import (
    FLOAT_FIELDS,
    INT_FIELDS,
    LIST_FIELDS,
    FieldMapping,
    FieldValueError,
    canonical_extra,
    convert,
)
from soritune.corpus.reading.missing_values import MISSING_FIELDS, MissingValues
from soritune.corpus.repeated_ids import repeated_ids
from soritune.corpus.utterance import FIELDS, REQUIRED_FIELDS, Utterance
from soritune.errors import ManifestError, reason_of
from soritune.inside_folder import leads_outside
from soritune.part_file import blocks_of
from soritune.whole_file import whole_file

logger = logging.getLogger(__name__)
SCHEMA_VERSION = "soritune.manifest/1"
_BATCH_ROWS = 32768


def _type_of(name: str) -> pa.DataType:
    if name in FLOAT_FIELDS:
        return pa.float64()
    if name in INT_FIELDS:
        return pa.int32()
    return pa.list_(pa.string()) if name in LIST_FIELDS else pa.string()


SCHEMA = pa.schema([pa.field(name, _type_of(name), nullable=name not in REQUIRED_FIELDS) for name in FIELDS])
"""One column per `Utterance` field; `extra` is JSON text."""


class Manifest:
    """Utterances in a fixed order, stored by column. Rows do not change; `select` gives another manifest.

    Made by `load_manifest` and `write_manifest`. Pickles (for loader workers) as its path and rows.
    """

    def __init__(
        self,
        path: Path | None,
        root: Path,
        *,
        table: pa.Table | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        self.path = path
        """The file it came from; None when it was made in memory."""
        self.root = root
        """What relative audio paths start from."""
        self._rows = rows
        self._columns: dict[str, pa.ChunkedArray] = {}
        self._hash: str | None = None
        self._replaced: dict[str, pa.ChunkedArray] = {}
        if table is not None:
            self._columns = {name: table.column(name) for name in table.column_names}
            self._absent = set(FIELDS) - set(self._columns)
            self._stored_rows, self._stamp = table.num_rows, None
        else:
            assert path is not None
            metadata = pq.read_metadata(path)
            self._absent = set(FIELDS) - set(metadata.schema.to_arrow_schema().names)
            self._stored_rows, self._stamp = metadata.num_rows, _stamp(path)

    def __len__(self) -> int:
        return self._stored_rows if self._rows is None else len(self._rows)

    def __iter__(self) -> Iterator[Utterance]:
        return self.utterances()

    def __repr__(self) -> str:
        return f"Manifest({len(self)} utterances, root={str(self.root)!r}, path={str(self.path)!r})"

    def column(self, name: str) -> pa.ChunkedArray:
        """One field of all rows, in order; null if a row has no value.

        A name that is not an `Utterance` field is looked up in `extra`: text, or numbers if every value is a number.
        """
        return self._replaced[name] if name in self._replaced else self._own_column(name)

    def with_column(self, name: str, values: Sequence[str | Sequence[str] | None]) -> Manifest:
        """The same rows, of which `column(name)` gives other values: texts, or lists of texts. The utterances, the hash
        and what is written keep the manifest's own values."""
        is_list = any(isinstance(value, list | tuple) for value in values)
        column = pa.array(values, pa.list_(pa.string()) if is_list else pa.string())
        view = self.select(np.arange(len(self)))
        view._hash = self._hash
        view._replaced = {**self._replaced, name: pa.chunked_array([column])}
        return view

    def _own_column(self, name: str) -> pa.ChunkedArray:
        if name not in FIELDS:
            return self._extra_column(name)
        column = self._stored_column(name)
        return column if self._rows is None else column.take(pa.array(self._rows))

    def _stored_column(self, name: str) -> pa.ChunkedArray:
        if name in self._absent:
            return pa.chunked_array([pa.nulls(self._stored_rows, _type_of(name))])
        if name not in self._columns:
            assert self.path is not None
            if _stamp(self.path) != self._stamp:
                raise ManifestError("was changed while it was in use; load it again", path=self.path)
            self._columns[name] = pq.read_table(self.path, columns=[name], memory_map=True).column(0)
        return self._columns[name]

    def _parts(self, name: str) -> Iterator[pa.Array]:
        """A field that every row of the file has, part by part; no part is kept in memory."""
        if self._stamp is None or name in self._columns:
            yield from self._stored_column(name).chunks
            return
        assert self.path is not None
        with pq.ParquetFile(self.path, memory_map=True) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=[name]):
                yield batch.column(0)

    def _lacks_values(self, name: str) -> bool:
        """Whether a row of the file has no value, by the file's statistics if it has them."""
        if self._stamp is None or name in self._absent:
            return bool(self._stored_column(name).null_count)
        assert self.path is not None
        metadata = pq.read_metadata(self.path)
        column = metadata.schema.to_arrow_schema().names.index(name)
        groups = (metadata.row_group(number).column(column) for number in range(metadata.num_row_groups))
        counts = [group.statistics.null_count if group.is_stats_set else None for group in groups]
        return any(part.null_count for part in self._parts(name)) if None in counts else any(counts)

    def _extra_column(self, name: str) -> pa.ChunkedArray:
        values = [
            None if text is None or f'"{name}"' not in text else extra_of(text).get(name)
            for text in self._own_column("extra").to_pylist()
        ]
        known = [value for value in values if value is not None]
        if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
            return pa.chunked_array(
                [pa.array([None if v is None else float(v) for v in values], pa.float64())]
            )
        texts = [
            None if value is None else value if isinstance(value, str) else json.dumps(value)
            for value in values
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])

    @property
    def ids(self) -> list[str]:
        """The ids, in order."""
        ids: list[str] = self.column("id").to_pylist()
        return ids

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """(utterances,) lengths in seconds."""
        return np.asarray(self.column("duration_s").to_numpy(), dtype=np.float64)

    @property
    def hours(self) -> float:
        """Sum of the lengths, in hours."""
        return float(self.durations_s.sum()) / 3600

    def utterance(self, index: int) -> Utterance:
        """Row `index` (negative counts from the end).

        Raises:
            IndexError: there is no such row.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of a manifest with {len(self)} rows")
        row = index % len(self) if self._rows is None else int(self._rows[index])
        return _to_utterance({name: self._stored_column(name)[row].as_py() for name in self._present()})

    def utterances(self, indices: Sequence[int] | NDArray[np.integer] | None = None) -> Iterator[Utterance]:
        """The rows at `indices` (all by default), in that order; quicker than `utterance` for each of them."""
        chosen = self if indices is None else self.select(indices)
        names = chosen._present()
        columns = [chosen._own_column(name) for name in names]
        for start in range(0, len(chosen), 4096):
            parts = [column.slice(start, 4096).to_pylist() for column in columns]
            for values in zip(*parts, strict=True):
                yield _to_utterance(dict(zip(names, values, strict=True)))

    def _present(self) -> list[str]:
        return [name for name in FIELDS if name not in self._absent]

    def select(self, indices: Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]) -> Manifest:
        """The rows at `indices`, or those for which a mask is true. Columns that were already read are shared.

        Raises:
            IndexError: an index is out of range, or the mask has another length.
        """
        chosen = np.asarray(indices)
        if chosen.dtype == np.bool_:
            if len(chosen) != len(self):
                raise IndexError(f"a mask of {len(chosen)} for a manifest with {len(self)} rows")
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64)
        if len(chosen) and (chosen.min() < -len(self) or chosen.max() >= len(self)):
            raise IndexError(f"rows {chosen.min()} to {chosen.max()} of a manifest with {len(self)} rows")
        chosen = np.where(chosen < 0, chosen + len(self), chosen)
        part = object.__new__(Manifest)
        part.__dict__.update(self.__dict__)
        part._rows, part._hash = (chosen if self._rows is None else self._rows[chosen]), None
        part._replaced = {name: column.take(pa.array(chosen)) for name, column in self._replaced.items()}
        return part

    def table(self) -> pa.Table:
        """All columns as an Arrow table with `SCHEMA`."""
        return pa.table([self._own_column(name) for name in FIELDS], schema=SCHEMA)

    def audio_path(self, utterance: Utterance) -> Path:
        """Path of the utterance's file.

        Raises:
            AudioError: a relative path that leads out of the root.
        """
        refuse_outside(utterance.audio, self.root)
        return self.root / utterance.audio

    @property
    def hash(self) -> str:
        """sha256 of every value in order. Does not depend on root, path, file format or row groups."""
        if self._hash is None:
            self._hash = content_hash(self._own_column, SCHEMA_VERSION, len(self))
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._stamp is not None:
            state["_columns"] = {}  # read again from the file on the other side
        return state


def load_manifest(
    path: str | Path,
    *,
    root: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Manifest:
    """Opens a manifest file.

    Args:
        path: .parquet or .jsonl; UTF-8, with or without a byte-order mark.
        root: What relative audio paths start from; None takes the one in the Parquet metadata, else the
            folder of the file.
        fields: `Utterance` field → the file's name for it, e.g. {"duration_s": "duration"}.
        constants: `Utterance` field → value for rows without a value.

    Raises:
        ManifestError: missing file, unknown suffix, not UTF-8, a line that is not a JSON object, a missing column, a
            value of the wrong type, duplicate ids. The message gives the line.
    """
    file = as_on_disk(Path(path))
    if file.suffix.lower() == ".parquet" and not fields and not constants and _is_ours(file):
        return _checked(Manifest(file, Path(root) if root is not None else manifest_root(file)), file)
    mapping = FieldMapping(fields or {}, constants or {})
    utterances = _utterances_of(file, mapping)
    table = pa.Table.from_batches(_batches(utterances, file), SCHEMA)
    return _checked(Manifest(file, Path(root) if root is not None else file.parent, table=table), file)


def manifest_in_memory(utterances: Iterable[Utterance], file: Path, root: Path) -> Manifest:
    """Rows that were read from the list `file`, whose audio paths start at `root`; a length may be 0.

    Raises:
        ManifestError: duplicate ids, or a value that cannot be stored.
    """
    return Manifest(file, root, table=pa.Table.from_batches(_batches(utterances, file), SCHEMA))


def write_manifest(path: str | Path, utterances: Iterable[Utterance], *, root: str | Path) -> Manifest:
    """Writes .parquet or .jsonl (by suffix), the whole file or nothing, and opens it.

    Parquet metadata has the root. A root at or below the file's folder is stored relative to the file, so that the
    folder can be moved. JSONL cannot hold the root: give `root=` again when loading from another folder.

    Raises:
        ManifestError: unknown suffix, duplicate ids, an unwritable value.
        OutputError: the file cannot be written.
    """
    file, root_path = Path(path), Path(root)
    kind = manifest_kind(file)
    with whole_file(file) as part:
        try:
            if kind == "parquet":
                _write_parquet(part, utterances, _stored_root(file, root_path))
            else:
                _write_jsonl(part, utterances)
            _checked(load_manifest(part, root=root_path), file)
        except ManifestError as error:
            if error.path != part:  # another file, such as the corpus that is read meanwhile
                raise
            raise ManifestError(error.message, path=file, line=error.line, field=error.field) from error
    return load_manifest(file, root=root_path)


def copy_manifest(path: str | Path, manifest: Manifest) -> Manifest:
    """Writes the rows of a manifest as .parquet, column by column: for parts of corpora with millions of rows.

    Raises:
        ManifestError: the suffix is not .parquet.
        OutputError: the file cannot be written.
    """
    file = Path(path)
    if manifest_kind(file) != "parquet":
        raise ManifestError("is written as .parquet; name the file so", path=file)
    schema = SCHEMA.with_metadata(_metadata(_stored_root(file, manifest.root)))
    with whole_file(file) as part:
        table = manifest.table().replace_schema_metadata(schema.metadata)
        pq.write_table(table, part, compression="zstd", row_group_size=_BATCH_ROWS)
    return load_manifest(file, root=manifest.root)


def _metadata(root: str) -> dict[str, str]:
    return {"soritune.schema": SCHEMA_VERSION, "soritune.root": root}


def _write_parquet(path: Path, utterances: Iterable[Utterance], root: str) -> None:
    schema = SCHEMA.with_metadata(_metadata(root))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(utterances, path):
            writer.write_batch(batch)


def _write_jsonl(path: Path, utterances: Iterable[Utterance]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for batch in _batches(utterances, path):
            for row in batch.to_pylist():
                known = {name: value for name, value in row.items() if value is not None}
                if "extra" in known:
                    known["extra"] = extra_of(known["extra"])
                stream.write(json.dumps(known, ensure_ascii=False) + "\n")


def _batches(utterances: Iterable[Utterance], path: Path) -> Iterator[pa.RecordBatch]:
    for block in blocks_of(utterances, _BATCH_ROWS):
        columns: dict[str, list[Any]] = {name: [] for name in FIELDS}
        for utterance in block:
            try:
                for name, values in columns.items():
                    value = getattr(utterance, name)
                    values.append(canonical_extra(value) if name == "extra" else convert(name, value))
            except FieldValueError as error:
                raise ManifestError(
                    f"utterance '{utterance.id}': {error}", path=path, field=error.field
                ) from error
        yield pa.record_batch([pa.array(columns[name], _type_of(name)) for name in FIELDS], schema=SCHEMA)


def _utterances_of(path: Path, mapping: FieldMapping) -> Iterator[Utterance]:
    lines_of_ids: dict[str, int] = {}
    written, repeated = MissingValues(), Counter[str]()
    for line, row in read_rows(path, mapping, repeated):
        for name in MISSING_FIELDS:
            written.drops(name, row.get(mapping.source_of(name)))
        try:
            utterance = mapping.utterance(row)
        except FieldValueError as error:
            raise ManifestError(str(error), path=path, line=line, field=error.field) from error
        first = lines_of_ids.setdefault(utterance.id, line)
        if first != line:
            raise ManifestError(
                f"id '{utterance.id}' is already on line {first}; ids must be unique",
                path=path,
                line=line,
                field="id",
            )
        yield utterance
    for note in written.notes("which usually means no value"):
        logger.warning("%s: %s ; `soritune prepare manifest` removes it", path, note.reason)
    for key, count in sorted(repeated.items()):
        logger.warning("%s: key '%s' is twice in %d rows; the last value counts", path, key, count)


def _checked(manifest: Manifest, path: Path) -> Manifest:
    """Refuses duplicate ids, missing required values and impossible lengths; works on whole columns."""
    for name in REQUIRED_FIELDS:
        if manifest._lacks_values(name):
            row = int(pc.index(pc.is_null(manifest.column(name)), True).as_py())
            raise ManifestError(f"'{name}' is missing in row {row + 1}", path=path, line=row + 1, field=name)
    durations = manifest.durations_s
    bad = np.flatnonzero(~(np.isfinite(durations) & (durations > 0)))
    if len(bad):
        row = int(bad[0])
        message = f"'duration_s' must be above 0, got {durations[row]} for '{manifest.column('id')[row]}'"
        raise ManifestError(message, path=path, line=row + 1, field="duration_s")
    repeated = repeated_ids(lambda: manifest._parts("id"))
    if repeated:
        name, count = next(iter(repeated.items()))
        raise ManifestError(
            f"id '{name}' occurs {count} times ({len(repeated)} ids are repeated); ids must be unique",
            path=path,
            field="id",
        )
    return manifest


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        raise ManifestError("does not exist" if not path.exists() else "is not a file", path=path)
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"is not a Parquet file ({reason_of(error)})", path=path) from error
    version = (schema.metadata or {}).get(b"soritune.schema", b"").decode()
    if version and version != SCHEMA_VERSION:
        raise ManifestError(f"has schema '{version}'; this version reads '{SCHEMA_VERSION}'", path=path)
    return bool(version) and schema.remove_metadata().equals(SCHEMA)


def manifest_root(path: Path) -> Path:
    """The folder from which audio paths in a manifest file start: the root in its metadata, else its folder."""
    if path.suffix.lower() != ".parquet" or not _is_ours(path):
        return path.parent
    stored: bytes = (pq.read_schema(path).metadata or {}).get(b"soritune.root", b".")
    root = stored.decode(errors="replace")
    if leads_outside(f"{root}/file"):
        raise ManifestError(
            f"states the root '{root}', which leads out of its folder; give the root with --root", path=path
        )
    return path.parent / root


def _stored_root(file: Path, root: Path) -> str:
    folder, target = file.parent.resolve(), root.resolve()
    return target.relative_to(folder).as_posix() if target.is_relative_to(folder) else target.as_posix()


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _to_utterance(row: dict[str, Any]) -> Utterance:
    for name in LIST_FIELDS:
        if row.get(name) is not None:
            row[name] = tuple(row[name])
    text = row.pop("extra", None)
    return Utterance(**row, extra={} if text is None else extra_of(text))
