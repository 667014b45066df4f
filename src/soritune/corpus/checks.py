"""Checking a whole manifest before training: every row is checked and every file is decoded.

Bad utterances go to `quarantine.jsonl` with a reason. The others are the clean manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from soritune.corpus.audio_hashes import Hashed
from soritune.corpus.check_parts import Progress, checked_parts
from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.json_text import write_json_lines
from soritune.corpus.row_check import MEASURES, CheckSettings, RowProblem, TextOf, add_counts
from soritune.corpus.sound_likeness import MOST_ROWS, SIZE
from soritune.corpus.transcripts import MarkCount
from soritune.corpus.unread_text import UnreadCount, text_to_pronounce
from soritune.errors import ManifestError
from soritune.identities import identity
from soritune.strict_json import parse_json

COUNTED = ("gender", "language", "source", "sample_rate_hz")
"""Columns whose values are counted in every corpus."""


CLIPPED_SHARE = 0.001
"""Share of samples at full scale from which an utterance counts as clipped."""
_DEAD_CHANNEL = "one channel holds no signal and halves the mean; set channel to the other one"


ON_PURPOSE = "label-left-out"
"""Kind of the rows whose label the settings of a task leave out; they do not count as lost."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An utterance that is left out, and why."""

    id: str
    audio: str
    reason: str
    stage: str
    """prepare, check (the row or its length), decode or training."""
    kind: str = ""
    """A short identifier; rows of equal kind are counted together (`corpus/reasons.py`)."""


class QuarantinedRows(Sequence[Quarantined]):
    """The rows that a check leaves out, in order. They are kept by column: a corpus may lose millions."""

    def __init__(self, rows: Manifest, faults: pa.Table) -> None:
        self._rows, self._faults = rows, faults

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Quarantined]:
        columns = [self._rows.column(name) for name in ("id", "audio")]
        columns += [self._faults.column(name) for name in ("fault", "stage", "kind")]
        for start in range(0, len(self), 4096):
            yield from map(Quarantined, *(column.slice(start, 4096).to_pylist() for column in columns))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    @overload
    def __getitem__(self, index: int) -> Quarantined: ...
    @overload
    def __getitem__(self, index: slice) -> QuarantinedRows: ...
    def __getitem__(self, index: int | slice) -> Quarantined | QuarantinedRows:
        """A row, or some of them."""
        numbers = np.arange(len(self))[index]
        if isinstance(index, slice):
            return QuarantinedRows(self._rows.select(numbers), self._faults.take(pa.array(numbers)))
        return next(iter(self[int(numbers) : int(numbers) + 1]))

    @cached_property
    def by_kind(self) -> list[tuple[str, int, Quarantined]]:
        """Each kind with its number of rows and its first row, the commonest first."""
        kinds = self._faults.column("kind").to_pylist()
        return [(kind, count, self[kinds.index(kind)]) for kind, count in Counter(kinds).most_common()]


@dataclass(frozen=True)
class CheckResult:
    """The clean rows and the others."""

    clean: Manifest
    quarantined: QuarantinedRows
    tables: dict[str, dict[str, dict[str, Any]]]
    """Column → value → utterances, hours, speakers; of the clean rows."""
    levels: dict[str, float] = field(default_factory=dict)
    """Medians over decoded utterances: level_dbfs, snr_db (estimated), clipped_share (mean)."""
    notes: dict[str, int] = field(default_factory=dict)
    """Remark on utterances that are kept → how many it concerns."""
    marks: MarkCount = field(default_factory=MarkCount)
    """Transcript marks in the texts of all rows, as `prepare` counts them."""
    audio_hashes: Hashed | None = None
    """What the audio of the clean rows is compared by; None if the files were not decoded."""
    measures: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Name (`MEASURES`) → (clean rows,), nan where it was not measured."""


def check_manifest(
    manifest: Manifest,
    row_problems: Sequence[RowProblem] = (),
    *,
    decode: bool = True,
    min_duration_s: float = 0.1,
    workers: int | None = None,
    progress: Progress | None = None,
    label_fields: Sequence[str] = (),
    text_of: TextOf = text_to_pronounce,
) -> CheckResult:
    """Checks every row, and decodes every file if `decode` is set; keeps nothing on disk.

    Args:
        manifest: What to check.
        row_problems, decode, min_duration_s, text_of: As in `CheckSettings`.
        workers, progress: As for `checked_parts`.
        label_fields: Columns with the label of an utterance, which get a table too.
    """
    settings = check_settings(
        manifest, problems=row_problems, text_of=text_of, decode=decode, min_duration_s=min_duration_s
    )
    parts = checked_parts(manifest, settings, workers=workers, progress=progress)
    return join_parts(manifest, settings, parts, label_fields=label_fields)


def check_settings(manifest: Manifest, *, decode: bool = True, **settings: Any) -> CheckSettings:
    """Settings for a manifest: the rows of a very large one are not compared by what they sound like."""
    return CheckSettings(decode=decode, compares=decode and len(manifest) <= MOST_ROWS, **settings)


def join_parts(
    manifest: Manifest,
    settings: CheckSettings,
    parts: Iterable[pa.Table],
    *,
    label_fields: Sequence[str] = (),
) -> CheckResult:
    """The result of a manifest from the results of its parts, in their order."""
    total, start = len(manifest), 0
    keep = np.ones(total, dtype=bool)
    faults: list[pa.Table] = []
    measured = {name: np.full(total, np.nan) for name in MEASURES}
    dead = 0
    hashes = np.zeros(total, dtype=np.uint64)
    likenesses = np.zeros((total if settings.compares else 0, SIZE), dtype=np.int8)
    marks, unread = MarkCount(), UnreadCount()
    for part in parts:
        rows = slice(start, start + len(part))
        start += len(part)
        add_counts(part, marks, unread)
        keep[rows] = part.column("fault").is_null().to_numpy()
        if not keep[rows].all():
            lost = part.select(["fault", "stage", "kind"]).filter(pc.is_valid(part.column("fault")))
            faults.append(lost.replace_schema_metadata(None))
        for name, values in measured.items():
            values[rows] = part.column(name).to_numpy()
        dead += int(pc.sum(part.column("has_dead_channel")).as_py() or 0)
        hashes[rows] = part.column("hash").to_numpy()
        if settings.compares:
            content = (value or bytes(SIZE) for value in part.column("likeness").to_pylist())
            likenesses[rows] = np.frombuffer(b"".join(content), dtype=np.int8).reshape(-1, SIZE)
    clean = manifest if keep.all() else manifest.select(keep)
    columns = ("fault", "stage", "kind")
    empty = pa.table({name: pa.array([], pa.string()) for name in columns})
    quarantined = QuarantinedRows(manifest.select(~keep), pa.concat_tables([empty, *faults]).combine_chunks())
    notes = {_DEAD_CHANNEL: dead} if dead else {}
    if unread.affected:
        notes[unread.sentence] = unread.affected
    hashed = None
    if settings.decode:
        hashed = Hashed(hashes[keep], likenesses[keep] if settings.compares else None)
    measures = {name: values[keep] for name, values in measured.items()}
    levels = _levels(*(measures[name] for name in ("level_dbfs", "snr_db", "clipped_share")))
    tables = count_tables(clean, (*label_fields, *COUNTED))
    return CheckResult(clean, quarantined, tables, levels, notes, marks, hashed, measures)


def _levels(
    level: NDArray[np.float64], snr: NDArray[np.float64], clipped: NDArray[np.float64]
) -> dict[str, float]:
    """Medians and means of (clean rows,); empty if no row was decoded."""
    decoded = ~np.isnan(level)
    if not decoded.any():
        return {}
    known = snr[~np.isnan(snr)]
    return {
        "level_dbfs": float(np.median(level[decoded])),
        "snr_db": float(np.median(known)) if len(known) else float("nan"),
        "clipped_share": float(clipped[decoded].mean()),
        "clipped_utterances": float((clipped[decoded] > CLIPPED_SHARE).sum()),
    }


def count_tables(
    manifest: Manifest, columns: Sequence[str] = COUNTED
) -> dict[str, dict[str, dict[str, Any]]]:
    """Per column with values: value → utterances, hours, speakers. Rows without a value count under "–", and rows with
    a list under each of its values."""
    durations = manifest.durations_s
    speakers = _speaker_codes(manifest.column("speaker"))
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for name in columns:
        column = manifest.column(name)
        if column.null_count == len(column):
            continue
        tables[name] = {
            value: {
                "utterances": len(rows),
                "hours": float(durations[rows].sum()) / 3600,
                "speakers": len(np.setdiff1d(speakers[rows], [-1])),
            }
            for value, rows in _rows_by_value(column)
        }
    return tables


def _speaker_codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """(rows,) a number for each speaker, -1 without one; names that are written in several ways are one speaker."""
    coded = column.combine_chunks().dictionary_encode()
    names = [identity(name) for name in coded.dictionary.to_pylist()]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    of_code = np.array([-1 if name is None else numbers[name] for name in names] + [-1], dtype=np.int64)
    return np.asarray(of_code[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)])


def _rows_by_value(column: pa.ChunkedArray) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each value in order, and the rows that have it."""
    if pa.types.is_list(column.type):
        lists = [set(cell or ["–"]) for cell in column.to_pylist()]
        for value in sorted(set[str]().union(*lists)):
            yield value, np.flatnonzero([value in values for values in lists])
        return
    coded = column.combine_chunks().dictionary_encode()
    texts = [*map(str, coded.dictionary.to_pylist()), "–"]
    codes = pc.fill_null(coded.indices, len(texts) - 1).to_numpy(zero_copy_only=False)
    codes_of: dict[str, list[int]] = {}
    for code in np.unique(codes):
        codes_of.setdefault(texts[code], []).append(code)
    for value in sorted(codes_of):
        yield value, np.flatnonzero(np.isin(codes, codes_of[value]))


def write_quarantine(path: str | Path, rows: Iterable[Quarantined]) -> int:
    """Writes one JSON object per line, the whole file or nothing; returns the number of rows.

    Keys: id, audio, reason, stage, kind.

    Raises:
        OutputError: the file cannot be written.
    """
    return write_json_lines(Path(path), map(asdict, rows), errors="backslashreplace")


def read_quarantine(path: str | Path) -> list[Quarantined]:
    """Reads what `write_quarantine` wrote. A missing file is an empty list; a row without a kind has the kind "".

    Raises:
        ManifestError: a line is not such a row.
    """
    file = Path(path)
    if not file.is_file():
        return []
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(Quarantined(**parse_json(line)))
        except (ValueError, TypeError) as error:
            raise ManifestError(f"is not a quarantine row ({error})", path=file, line=number) from error
    return rows
