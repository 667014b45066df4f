"""What a check found in the clean rows, as plain JSON: histograms, worst rows, copies and overlap of splits.

Nothing here is a reason to leave a row out; a person decides that. Next: `reports/check_page.py`, which draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from soritune.corpus.audio_hashes import AudioHashes
from soritune.corpus.checks import CLIPPED_SHARE, CheckResult
from soritune.corpus.file_names import MEASURES_FILE
from soritune.corpus.manifest import Manifest
from soritune.corpus.row_check import MEASURES, CheckSettings
from soritune.corpus.splitting.grouping import Columns
from soritune.corpus.splitting.splits import SPLITS, Splits, overlaps
from soritune.whole_file import whole_file

SCHEMA_VERSION = "soritune.check/1"
WORST = 6
"""Rows shown of each measure, and groups of copies."""
_BINS = 40
_SHARE_AROUND = 0.02
"""Width of the axis of shares that are all equal."""
_OF_A_SPEAKER = ("age", "gender", "first_language")
"""Fields that one speaker has one value of."""
_TELEPHONE_HZ = 5000.0
_MOST_DC, _MOST_SILENCE, _LEAST_SPEECH, _LEAST_SNR_DB = 0.01, 0.8, 0.2, 10.0
_SPREAD, _LEAST_FACTOR = 5.0, 2.5
_MAD = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured number of a row, and from where on it is suspicious."""

    name: str
    title: str
    unit: Literal["", "%", "dB", "dBFS", "Hz"]
    remark: str
    """What suspicious rows have: "N utterances: …"."""
    below: float | None = None
    above: float | None = None


_MEASURES = (
    Measure("level_dbfs", "Level", "dBFS", "quieter than -50 dBFS", below=-50.0),
    Measure("clipped_share", "Samples at full scale", "%", "clipped samples", above=CLIPPED_SHARE),
    Measure("dc_offset", "Constant offset", "%", "a constant offset", above=_MOST_DC),
    Measure("silent_share", "Silence", "%", "mostly silence", above=_MOST_SILENCE),
    Measure(
        "bandwidth_hz",
        "Bandwidth",
        "Hz",
        "telephone bandwidth at a higher rate",
        below=_TELEPHONE_HZ,
    ),
    Measure("snr_db", "Signal-to-noise ratio by level", "dB", "noisy by level", below=5.0),
    Measure("speech_share", "Speech (sample)", "%", "little speech", below=_LEAST_SPEECH),
    Measure(
        "speech_snr_db",
        "Signal-to-noise ratio by speech (sample)",
        "dB",
        "a signal-to-noise ratio below 10 dB",
        below=_LEAST_SNR_DB,
    ),
    Measure(
        "letters_per_s",
        "Letters per second",
        "",
        "a text too long or too short for the duration",
    ),
)


def summarise(
    result: CheckResult, settings: CheckSettings, *, vad: str | None, splits: Splits | None = None
) -> dict[str, Any]:
    """The content of check.json.

    Args:
        result: of a check that measured.
        settings: of this check.
        vad: name of the detector of speech; None if speech was not searched.
        splits: whose overlap is reported.
    """
    clean = result.clean
    sampled = int((~np.isnan(result.measures["speech_share"])).sum())
    hashes = None if result.audio_hashes is None else result.audio_hashes.hashes
    return {
        "schema": SCHEMA_VERSION,
        "utterances": len(clean),
        "hours": clean.hours,
        "quarantined": len(result.quarantined),
        "reasons": [
            {"kind": kind, "utterances": count, "example": row.reason, "id": row.id, "stage": row.stage}
            for kind, count, row in result.quarantined.by_kind
        ],
        "decoded": settings.decode,
        "speech_sample": {"detector": vad, "utterances": sampled, "share": settings.vad_share},
        "levels": result.levels,
        "notes": {**result.notes, **_contradictions(clean)},
        "tables": result.tables,
        "transcript_marks": {"texts": result.marks.marked, "marks": dict(result.marks.marks.most_common(20))},
        "measures": [
            summary
            for measure in _MEASURES
            if (summary := _measure(measure, result.measures[measure.name], clean)) is not None
        ],
        "copies": None if hashes is None else _copies(clean, hashes),
        "overlap": None if splits is None else _overlap(clean, splits, hashes),
    }


def _contradictions(manifest: Manifest) -> dict[str, int]:
    """Remark → number of utterances, where what should be the same in all rows of a speaker differs."""
    found = {}
    speakers = manifest.column("speaker").to_pylist()
    for name in _OF_A_SPEAKER:
        seen: dict[str, set[Any]] = {}
        values = manifest.column(name).to_pylist()
        for speaker, value in zip(speakers, values, strict=True):
            if speaker is not None and value is not None:
                seen.setdefault(speaker, set()).add(value)
        differing = {speaker for speaker, known in seen.items() if len(known) > 1}
        if differing:
            remark = f"{name.replace('_', ' ')} differs within {len(differing):,} of {len(seen):,} speakers"
            found[remark] = sum(speaker in differing for speaker in speakers)
    return found


def remarks(summary: dict[str, Any]) -> dict[str, int]:
    """Remark → number of utterances, of what is suspicious in a summary."""
    notes = {
        measure["remark"]: measure["suspicious"] for measure in summary["measures"] if measure["suspicious"]
    }
    if summary["copies"] and summary["copies"]["utterances"]:
        notes["the same audio as another row"] = summary["copies"]["utterances"]
    return notes


def _measure(measure: Measure, values: NDArray[np.float64], manifest: Manifest) -> dict[str, Any] | None:
    """Histogram, suspicious rows and worst rows of one measure; None if it was not measured."""
    rows = np.flatnonzero(~np.isnan(values))
    if not len(rows):
        return None
    known = values[rows]
    below, above = measure.below, measure.above
    if measure.name == "letters_per_s":
        below, above = usual_range(known)
    is_bad = np.zeros(len(rows), dtype=bool)
    severity = np.zeros(len(rows))
    if below is not None:
        is_bad |= known < below
        severity = np.maximum(severity, below - known)
    if above is not None:
        is_bad |= known > above
        severity = np.maximum(severity, known - above)
    if measure.name == "letters_per_s" and below and above:
        middle = math.sqrt(below * above)
        severity = np.abs(np.log(known / middle))
    if measure.name == "bandwidth_hz":
        rates = manifest.column("sample_rate_hz").to_numpy()[rows]
        is_bad &= ~(rates <= 2 * _TELEPHONE_HZ)
    bad = rows[is_bad]
    order = np.argsort(-severity[is_bad], kind="stable")[:WORST]
    counts, edges = np.histogram(known, bins=_BINS, range=_range(known, is_share=measure.unit == "%"))
    return {
        "name": measure.name,
        "title": measure.title,
        "unit": measure.unit,
        "remark": measure.remark,
        "utterances": len(rows),
        "suspicious": len(bad),
        "below": below,
        "above": above,
        "percentiles": {str(p): float(np.percentile(known, p)) for p in (1, 5, 50, 95, 99)},
        "histogram": {"edges": [float(edge) for edge in edges], "counts": counts.tolist()},
        "worst": [{**row, "value": float(values[bad[i]])} for i, row in _rows(manifest, bad, order)],
    }


def usual_range(rates: NDArray[np.float64]) -> tuple[float, float]:
    """The usual range of positive rates: their median, divided and multiplied by five standard deviations of the
    logarithm (by its median absolute deviation), at least by 2.5."""
    logarithms = np.log(rates)
    middle = float(np.median(logarithms))
    spread = _MAD * float(np.median(np.abs(logarithms - middle)))
    factor = max(_SPREAD * spread, math.log(_LEAST_FACTOR))
    return math.exp(middle - factor), math.exp(middle + factor)


def _range(values: NDArray[np.float64], *, is_share: bool) -> tuple[float, float]:
    """The axis of a histogram; around equal shares it stays between 0 and 1."""
    low, high = float(values.min()), float(values.max())
    if high > low:
        return low, high
    if is_share:
        low = min(max(low - _SHARE_AROUND / 2, 0.0), 1.0 - _SHARE_AROUND)
        return low, low + _SHARE_AROUND
    return low - 0.5, high + 0.5


def _rows(
    manifest: Manifest, rows: NDArray[np.int64], order: Sequence[int] | NDArray[np.int64]
) -> list[tuple[int, dict[str, Any]]]:
    """What a page shows and plays of some rows, with their place in `rows`."""
    chosen = [manifest.utterance(int(rows[place])) for place in order]
    return [
        (
            int(place),
            {
                "id": row.id,
                "audio": row.audio,
                "speaker": row.speaker,
                "text": row.text,
                "start_s": row.start_s,
                "duration_s": row.duration_s,
                "channel": row.channel,
                "pcm": row.pcm,
            },
        )
        for place, row in zip(order, chosen, strict=True)
    ]


def _copies(manifest: Manifest, hashes: AudioHashes) -> dict[str, Any]:
    """Rows whose samples are those of another row."""
    known = np.flatnonzero(hashes)
    order = known[np.argsort(hashes[known], kind="stable")]
    ends = np.flatnonzero(np.diff(hashes[order], append=0) != 0) + 1
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    sizes = ends - starts
    repeated = np.flatnonzero(sizes > 1)
    # The largest groups; of equal ones that of the first row.
    first_rows = order[starts[repeated]]
    shown = repeated[np.lexsort((first_rows, -sizes[repeated]))][:WORST]
    groups = []
    for group in shown:
        members = order[starts[group] : ends[group]][:WORST]
        rows = [row for _, row in _rows(manifest, members, np.arange(len(members)))]
        groups.append({"utterances": int(sizes[group]), "rows": rows})
    return {"groups": len(repeated), "utterances": int(sizes[repeated].sum()), "largest": groups}


def _overlap(manifest: Manifest, splits: Splits, hashes: AudioHashes | None) -> dict[str, dict[str, float]]:
    """Shares of the hours of splits whose speaker, script or recording another split has too."""
    codes = np.full(len(manifest), len(SPLITS), dtype=np.int8)
    for code, name in enumerate(SPLITS):
        codes[splits.indices(manifest, name)] = code
    return overlaps(Columns.of(manifest, (), hashes), codes)


def save_measures(folder: Path, result: CheckResult) -> None:
    """Writes what was measured of each clean row into `folder`, beside checked.parquet.

    Raises:
        OutputError: the file cannot be written.
    """
    columns: dict[str, Any] = {"id": result.clean.column("id")}
    for name in MEASURES:
        values = result.measures[name]
        columns[name] = pa.array(values.astype(np.float32), pa.float32(), mask=np.isnan(values))
    metadata = {"soritune.schema": SCHEMA_VERSION, "soritune.manifest_hash": result.clean.hash}
    with whole_file(folder / MEASURES_FILE) as part:
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), part, compression="zstd")
