"""Listening to a whole manifest before anything is trained: every file decoded, every row asked about.

What is bad goes to `quarantine.jsonl` with a reason, the rest is the clean manifest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from soritune.audio.quality import measure_quality
from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.in_order import in_order
from soritune.corpus.reading.json_text import write_json_lines
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError

RowProblem = Callable[[Utterance], str | None]
"""What is wrong with a row for some use of it (a label outside the set, a missing field), or None."""
Progress = Callable[[int, int], None]
"""Called with the number of utterances done and their total."""
COUNTED = ("gender", "language", "source", "sample_rate_hz")
"""Columns whose values are counted in every corpus."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An utterance that is left out, and why."""

    id: str
    audio: str
    reason: str
    stage: str
    """prepare, check (the row or its length) or decode."""


@dataclass(frozen=True)
class CheckResult:
    """What a check found."""

    clean: Manifest
    quarantined: list[Quarantined]
    tables: dict[str, dict[str, dict[str, Any]]]
    """Column → value → utterances, hours, speakers; of the clean rows."""
    levels: dict[str, float] = field(default_factory=dict)
    """Medians over decoded utterances: level_dbfs, snr_db (estimated), clipped_share (mean)."""


@dataclass(frozen=True, slots=True)
class _Heard:
    problem: str | None
    stage: str = "decode"
    snr_db: float = float("nan")
    clipped_share: float = float("nan")
    level_dbfs: float = float("nan")


def check_manifest(
    manifest: Manifest,
    row_problems: Sequence[RowProblem] = (),
    *,
    decode: bool = True,
    min_duration_s: float = 0.1,
    workers: int | None = None,
    progress: Progress | None = None,
    label_fields: Sequence[str] = (),
) -> CheckResult:
    """Checks every row, and decodes every file unless told not to.

    Args:
        manifest: What to check.
        row_problems: Asked about every row, in order; the first answer counts.
        decode: Decode the audio: finds truncated and damaged files, NaN samples, digital silence, and lengths
            that differ from the manifest's by more than 0.1 s and 2 %.
        min_duration_s: Shorter utterances are quarantined.
        workers: Threads that decode (libsndfile lets them run side by side); None takes one per core.
        progress: Told how far it is.
        label_fields: Columns with the label of an utterance, which get a table too.
    """
    threads = workers or os.cpu_count() or 1

    def look(utterance: Utterance) -> _Heard:
        for problem in row_problems:
            found = problem(utterance)
            if found is not None:
                return _Heard(found, "check")
        if utterance.duration_s < min_duration_s:
            return _Heard(
                f"lasts {utterance.duration_s:.3f} s; at least {min_duration_s} s are needed", "check"
            )
        return _listen(manifest, utterance, min_duration_s) if decode else _Heard(None)

    keep = np.ones(len(manifest), dtype=bool)
    quarantined: list[Quarantined] = []
    heard: list[tuple[float, float, float]] = []
    with ThreadPoolExecutor(threads) as pool:
        for row, (utterance, result) in enumerate(in_order(pool, look, manifest, 16 * threads)):
            if result.problem is not None:
                keep[row] = False
                quarantined.append(Quarantined(utterance.id, utterance.audio, result.problem, result.stage))
            elif decode:
                heard.append((result.level_dbfs, result.snr_db, result.clipped_share))
            if progress is not None:
                progress(row + 1, len(manifest))
    clean = manifest if keep.all() else manifest.select(keep)
    return CheckResult(clean, quarantined, count_tables(clean, (*label_fields, *COUNTED)), _levels(heard))


def _listen(manifest: Manifest, utterance: Utterance, min_duration_s: float) -> _Heard:
    path = manifest.audio_path(utterance)
    whole = utterance.start_s is None
    try:
        waveform = read_audio(
            path,
            start_s=utterance.start_s,
            duration_s=None if whole else utterance.duration_s,
            channel=utterance.channel,
            sample_rate_hz=16000,
        )
    except AudioError as error:
        return _Heard(error.reason)
    seconds = len(waveform) / 16000
    if seconds < min_duration_s:
        return _Heard(f"lasts {seconds:.3f} s; at least {min_duration_s} s are needed")
    if abs(seconds - utterance.duration_s) > max(0.1, 0.02 * utterance.duration_s):
        return _Heard(f"lasts {seconds:.3f} s, but the manifest says {utterance.duration_s:.3f} s")
    if not waveform.any():
        return _Heard("is silent: every sample is zero")
    quality = measure_quality(waveform, 16000)
    return _Heard(None, "decode", quality.snr_db, quality.clipped_share, quality.level_dbfs)


def _levels(heard: list[tuple[float, float, float]]) -> dict[str, float]:
    if not heard:
        return {}
    level, snr, clipped = np.array(heard).T
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
    """Per column that has values: value → utterances, hours, speakers. Rows without one count under "–"."""
    durations = manifest.durations_s
    speakers = np.array(manifest.column("speaker").to_pylist(), dtype=object)
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for name in columns:
        column = manifest.column(name)
        if column.null_count == len(column):
            continue
        values = np.array(
            ["–" if value is None else str(value) for value in column.to_pylist()], dtype=object
        )
        tables[name] = {
            value: {
                "utterances": int((inside := values == value).sum()),
                "hours": float(durations[inside].sum()) / 3600,
                "speakers": len({speaker for speaker in speakers[inside] if speaker is not None}),
            }
            for value in sorted(set(values))
        }
    return tables


def write_quarantine(path: str | Path, rows: Iterable[Quarantined]) -> int:
    """Writes one JSON object a line (id, audio, reason, stage), at once or not at all; returns how many.

    Raises:
        OutputError: the place cannot be written to.
    """
    return write_json_lines(Path(path), map(asdict, rows), errors="backslashreplace")


def read_quarantine(path: str | Path) -> list[Quarantined]:
    """Reads what `write_quarantine` wrote; a missing file is an empty list.

    Raises:
        ManifestError: a line is not one of its rows.
    """
    file = Path(path)
    if not file.is_file():
        return []
    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(Quarantined(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ManifestError(f"is no quarantine row ({error})", path=file, line=number) from error
    return rows
