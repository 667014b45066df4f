"""Checking a whole manifest before training: every row is checked and every file is decoded.

Bad utterances go to `quarantine.jsonl` with a reason. The others are the clean manifest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.channels import dead_channels, to_mono
from soritune.audio.quality import is_constant, measure_quality
from soritune.audio.resample import resample
from soritune.audio.waveform import decode
from soritune.corpus.audio_hashes import SAMPLE_RATE_HZ, Hashed, hash_samples
from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.json_text import write_json_lines
from soritune.corpus.reading.parallel_map import parallel_map
from soritune.corpus.sound_likeness import MOST_ROWS, SIZE, likeness
from soritune.corpus.transcripts import MarkCount
from soritune.corpus.unread_text import UnreadCount, text_to_pronounce
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError
from soritune.identities import identity
from soritune.strict_json import parse_json

Progress = Callable[[int, int], None]
"""Called with the number of utterances done and their total."""
COUNTED = ("gender", "language", "source", "sample_rate_hz")
"""Columns whose values are counted in every corpus."""


_DEAD_CHANNEL = "one channel holds no signal and halves the mean; set channel to the other one"


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row cannot be used for some purpose: a label outside the set, a missing field."""

    reason: str
    kind: str
    """A short identifier; rows of equal kind are counted together."""


ON_PURPOSE = "label-left-out"
"""Kind of the rows whose label the settings of a task leave out; they do not count as lost."""

RowProblem = Callable[[Utterance], RowFault | None]
"""The fault of a row, or None."""

TextOf = Callable[[Utterance], str | None]
"""The text that the phones of a row are derived from, or None."""


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


@dataclass(frozen=True)
class CheckResult:
    """The clean rows and the others."""

    clean: Manifest
    quarantined: list[Quarantined]
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


@dataclass(frozen=True, slots=True)
class _Checked:
    """Result of one row: its fault, or else the quality of its sound."""

    fault: str | None = None
    kind: str = ""
    stage: str = "decode"
    snr_db: float = float("nan")
    clipped_share: float = float("nan")
    level_dbfs: float = float("nan")
    has_dead_channel: bool = False
    audio_hash: int = 0
    likeness: NDArray[np.int8] | None = None


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
    """Checks every row, and decodes every file if `decode` is set.

    Args:
        manifest: What to check.
        row_problems: Called for every row, in order; the first fault counts.
        decode: Decode the audio: finds truncated and damaged files, NaN samples, digital silence, and lengths
            that differ from the manifest's by more than 0.1 s and 2 %.
        min_duration_s: Shorter utterances are quarantined.
        workers: Threads that decode (libsndfile runs in parallel); None takes one per core.
        progress: Called after every row.
        label_fields: Columns with the label of an utterance, which get a table too.
        text_of: Gives the texts in which characters without a reading are counted.
    """
    threads = workers or os.cpu_count() or 1
    compares = decode and len(manifest) <= MOST_ROWS

    def check(utterance: Utterance) -> _Checked:
        for problem in row_problems:
            fault = problem(utterance)
            if fault is not None:
                return _Checked(fault.reason, fault.kind, "check")
        if utterance.duration_s < min_duration_s:
            return _too_short(utterance.duration_s, min_duration_s, "check")
        return _decode(manifest, utterance, min_duration_s, compares) if decode else _Checked()

    keep = np.ones(len(manifest), dtype=bool)
    quarantined: list[Quarantined] = []
    qualities: list[tuple[float, float, float]] = []
    dead = 0
    marks, unread = MarkCount(), UnreadCount()
    hashes = np.zeros(len(manifest), dtype=np.uint64)
    likenesses = np.zeros((len(manifest) if compares else 0, SIZE), dtype=np.int8)
    with ThreadPoolExecutor(threads) as pool:
        for row, (utterance, result) in enumerate(parallel_map(pool, check, manifest, 16 * threads)):
            marks.add(utterance.text)
            if result.fault is not None:
                keep[row] = False
                quarantined.append(
                    Quarantined(utterance.id, utterance.audio, result.fault, result.stage, result.kind)
                )
            else:
                unread.add(text_of(utterance))
            if result.fault is None and decode:
                qualities.append((result.level_dbfs, result.snr_db, result.clipped_share))
                dead += result.has_dead_channel
                hashes[row] = result.audio_hash
                if compares and result.likeness is not None:
                    likenesses[row] = result.likeness
            if progress is not None:
                progress(row + 1, len(manifest))
    clean = manifest if keep.all() else manifest.select(keep)
    tables = count_tables(clean, (*label_fields, *COUNTED))
    notes = {_DEAD_CHANNEL: dead} if dead else {}
    if unread.affected:
        notes[unread.sentence] = unread.affected
    hashed = Hashed(hashes[keep], likenesses[keep] if compares else None) if decode else None
    return CheckResult(clean, quarantined, tables, _levels(qualities), notes, marks, hashed)


def _too_short(seconds: float, min_duration_s: float, stage: str) -> _Checked:
    return _Checked(f"lasts {seconds:.3f} s; at least {min_duration_s} s are needed", "too-short", stage)


def _decode(manifest: Manifest, utterance: Utterance, min_duration_s: float, compares: bool) -> _Checked:
    whole = utterance.start_s is None
    try:
        path = manifest.audio_path(utterance)
        decoded = decode(
            path,
            start_s=utterance.start_s,
            duration_s=None if whole else utterance.duration_s,
            pcm=utterance.pcm,
        )
        samples = to_mono(decoded.samples, path, utterance.channel)
        waveform = resample(samples, decoded.sample_rate_hz, SAMPLE_RATE_HZ)
    except AudioError as error:
        return _Checked(error.reason, error.kind)
    seconds = len(waveform) / SAMPLE_RATE_HZ
    if seconds < min_duration_s:
        return _too_short(seconds, min_duration_s, "decode")
    if abs(seconds - utterance.duration_s) > max(0.1, 0.02 * utterance.duration_s):
        return _Checked(
            f"lasts {seconds:.3f} s, but the manifest says {utterance.duration_s:.3f} s", "length-differs"
        )
    if not waveform.any():
        return _Checked("is silent: every sample is zero", "silent")
    if is_constant(samples):
        return _Checked(f"is silent: its samples do not vary (they are about {samples.mean():.3g})", "silent")
    quality = measure_quality(waveform, SAMPLE_RATE_HZ)
    dead = dead_channels(decoded.samples) if utterance.channel is None else []
    return _Checked(
        snr_db=quality.snr_db,
        clipped_share=quality.clipped_share,
        level_dbfs=quality.level_dbfs,
        has_dead_channel=bool(dead),
        audio_hash=hash_samples(waveform),
        likeness=likeness(waveform) if compares else None,
    )


def _levels(qualities: list[tuple[float, float, float]]) -> dict[str, float]:
    """Medians and means over (level, signal-to-noise ratio, clipped share) of each utterance."""
    if not qualities:
        return {}
    level, snr, clipped = np.array(qualities).T
    known = snr[~np.isnan(snr)]
    return {
        "level_dbfs": float(np.median(level)),
        "snr_db": float(np.median(known)) if len(known) else float("nan"),
        "clipped_share": float(clipped.mean()),
        "clipped_utterances": float((clipped > 0.001).sum()),
    }


def count_tables(
    manifest: Manifest, columns: Sequence[str] = COUNTED
) -> dict[str, dict[str, dict[str, Any]]]:
    """Per column with values: value → utterances, hours, speakers. Rows without a value count under "–", and rows with
    a list under each of its values."""
    durations = manifest.durations_s
    speakers = np.array([identity(name) for name in manifest.column("speaker").to_pylist()], dtype=object)
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for name in columns:
        column = manifest.column(name)
        if column.null_count == len(column):
            continue
        tables[name] = {
            value: {
                "utterances": int(inside.sum()),
                "hours": float(durations[inside].sum()) / 3600,
                "speakers": len({speaker for speaker in speakers[inside] if speaker is not None}),
            }
            for value, inside in _rows_by_value(column.to_pylist())
        }
    return tables


def _rows_by_value(cells: Sequence[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Each value in order, and a mask (rows,) of the rows that have it."""
    if any(isinstance(cell, list) for cell in cells):
        lists = [set(cell or ["–"]) for cell in cells]
        for value in sorted(set[str]().union(*lists)):
            yield value, np.array([value in values for values in lists], dtype=bool)
        return
    values = np.array(["–" if value is None else str(value) for value in cells], dtype=object)
    for value in sorted(set(values)):
        yield value, values == value


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
