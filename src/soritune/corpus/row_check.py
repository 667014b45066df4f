"""Checks of one row, and of a part of a manifest as one unit of work that any process can do.

The result of a part is an Arrow table with a row for each utterance. It depends on the rows and their recordings alone,
so neither the number of processes nor an interruption changes it. Next: `corpus/check_parts.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from soritune.audio.channels import dead_channels, to_mono
from soritune.audio.quality import Faults, is_constant, measure_faults, measure_quality, snr_by_activity
from soritune.audio.resample import resample
from soritune.audio.voice_activity import VadName, VoiceActivity, voice_activity
from soritune.audio.waveform import decode
from soritune.corpus.audio_hashes import SAMPLE_RATE_HZ, hash_samples
from soritune.corpus.audio_root import refuse_outside
from soritune.corpus.reading.parallel_map import parallel_map
from soritune.corpus.sound_likeness import SIZE, likeness
from soritune.corpus.transcripts import MarkCount
from soritune.corpus.unread_text import UnreadCount, text_to_pronounce
from soritune.corpus.utterance import Utterance
from soritune.draws import row_draws, seed_of
from soritune.errors import AudioError
from soritune.strict_json import parse_json

Given = ParamSpec("Given")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row cannot be used for some purpose: a label outside the set, a missing field."""

    reason: str
    kind: str
    """A short identifier; rows of equal kind are counted together."""


RowProblem = Callable[[Utterance], RowFault | None]
"""The fault of a row, or None."""
TextOf = Callable[[Utterance], str | None]
"""The text that the phones of a row are derived from, or None."""


class MadeBy(Generic[Given, Out]):
    """The function of a row that `maker` makes of its arguments; it pickles as these, for other processes."""

    def __init__(
        self, maker: Callable[Given, Callable[[Utterance], Out]], *args: Given.args, **kwargs: Given.kwargs
    ) -> None:
        self._maker, self._args, self._kwargs = maker, args, kwargs
        self._function = maker(*args, **kwargs)

    def __call__(self, utterance: Utterance) -> Out:
        """The function's value for a row."""
        return self._function(utterance)

    def __getstate__(self) -> dict[str, Any]:
        return {"_maker": self._maker, "_args": self._args, "_kwargs": self._kwargs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._function = self._maker(*self._args, **self._kwargs)


MEASURES = (
    "level_dbfs",
    "snr_db",
    "clipped_share",
    "dc_offset",
    "silent_share",
    "bandwidth_hz",
    "speech_share",
    "speech_snr_db",
    "letters_per_s",
)
"""What is measured of a row; nan where it is not."""
SCHEMA = pa.schema(
    [
        ("fault", pa.string()),
        ("kind", pa.string()),
        ("stage", pa.string()),
        *((name, pa.float64()) for name in MEASURES),
        ("has_dead_channel", pa.bool_()),
        ("hash", pa.uint64()),
        ("likeness", pa.binary(SIZE)),
    ]
)
"""Of the result of a part. Its metadata counts characters without a reading and transcript marks."""


@dataclass(frozen=True)
class CheckSettings:
    """What is checked."""

    problems: Sequence[RowProblem] = ()
    """Called for every row, in order; the first fault counts."""
    text_of: TextOf = text_to_pronounce
    """Gives the texts in which characters without a reading are counted."""
    decode: bool = True
    """Decode the audio: finds truncated and damaged files, NaN samples, digital silence, and lengths that differ from
    the manifest's by more than 0.1 s and 2 %."""
    min_duration_s: float = 0.1
    """Shorter utterances are quarantined."""
    compares: bool = True
    """Compute what a recording sounds like, by which copies in another format are found."""
    measures: bool = False
    """Also measure offset, silence, bandwidth and speaking rate."""
    vad: VadName = "off"
    """How speech is found in the rows of the sample."""
    vad_share: float = 0.0
    """Share of the rows that are drawn for this sample."""

    def is_sampled(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(rows,) whether speech is measured in these rows of the manifest."""
        if self.vad == "off" or not self.decode:
            return np.zeros(len(rows), dtype=bool)
        return row_draws(seed_of("check", "speech"), rows) < self.vad_share


@dataclass(frozen=True)
class PartJob:
    """Rows of a manifest that are checked together. It can be sent to another process."""

    first: int
    """Number of the first row in the manifest."""
    root: Path
    """Where relative audio paths start."""
    utterances: Sequence[Utterance]
    settings: CheckSettings


@dataclass(frozen=True, slots=True)
class _Checked:
    """Result of one row: its fault, or else the quality of its sound."""

    fault: str | None = None
    kind: str = ""
    stage: str = "decode"
    measures: dict[str, float] | None = None
    has_dead_channel: bool = False
    audio_hash: int = 0
    likeness: NDArray[np.int8] | None = None


def check_part(job: PartJob, *, threads: int = 1, progress: Callable[[int], None] | None = None) -> pa.Table:
    """Checks the rows of a part: a table with `SCHEMA`.

    Args:
        job: the rows.
        threads: that decode (libsndfile runs in parallel).
        progress: called with the number of rows done after each.
    """
    settings = job.settings
    sampled = settings.is_sampled(np.arange(job.first, job.first + len(job.utterances)))
    vad = voice_activity(settings.vad) if sampled.any() else None

    def check(numbered: tuple[int, Utterance]) -> _Checked:
        index, utterance = numbered
        return _check(job.root, utterance, settings, vad if sampled[index] else None)

    marks, unread = MarkCount(), UnreadCount()
    rows: list[_Checked] = []
    with ThreadPoolExecutor(threads) as pool:
        for (_, utterance), result in parallel_map(pool, check, enumerate(job.utterances), 16 * threads):
            marks.add(utterance.text)
            if result.fault is None:
                unread.add(settings.text_of(utterance))
            rows.append(result)
            if progress is not None:
                progress(len(rows))
    return _table(rows, marks, unread)


def _check(root: Path, utterance: Utterance, settings: CheckSettings, vad: VoiceActivity | None) -> _Checked:
    for problem in settings.problems:
        fault = problem(utterance)
        if fault is not None:
            return _Checked(fault.reason, fault.kind, "check")
    if utterance.duration_s < settings.min_duration_s:
        return _too_short(utterance.duration_s, settings.min_duration_s, "check")
    if not settings.decode:
        return _Checked(measures={"letters_per_s": letters_per_s(utterance)} if settings.measures else None)
    return _decode(root, utterance, settings, vad)


def _too_short(seconds: float, min_duration_s: float, stage: str) -> _Checked:
    return _Checked(f"lasts {seconds:.3f} s; at least {min_duration_s} s are needed", "too-short", stage)


def _decode(root: Path, utterance: Utterance, settings: CheckSettings, vad: VoiceActivity | None) -> _Checked:
    whole = utterance.start_s is None
    try:
        refuse_outside(utterance.audio, root)
        path = root / utterance.audio
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
    if seconds < settings.min_duration_s:
        return _too_short(seconds, settings.min_duration_s, "decode")
    if abs(seconds - utterance.duration_s) > max(0.1, 0.02 * utterance.duration_s):
        return _Checked(
            f"lasts {seconds:.3f} s, but the manifest says {utterance.duration_s:.3f} s", "length-differs"
        )
    if not waveform.any():
        return _Checked("is silent: every sample is zero", "silent")
    if is_constant(samples):
        return _Checked(f"is silent: its samples do not vary (they are about {samples.mean():.3g})", "silent")
    quality = measure_quality(waveform, SAMPLE_RATE_HZ)
    measures = {
        "level_dbfs": quality.level_dbfs,
        "snr_db": quality.snr_db,
        "clipped_share": quality.clipped_share,
    }
    if settings.measures:
        faults: Faults = measure_faults(waveform, SAMPLE_RATE_HZ)
        measures |= faults._asdict()
        measures["letters_per_s"] = letters_per_s(utterance)
    if vad is not None:
        activity = vad.find(waveform, SAMPLE_RATE_HZ)
        measures["speech_share"] = float(activity.frames.mean()) if len(activity.frames) else float("nan")
        measures["speech_snr_db"] = snr_by_activity(waveform, SAMPLE_RATE_HZ, activity)
    dead = dead_channels(decoded.samples) if utterance.channel is None else []
    return _Checked(
        measures=measures,
        has_dead_channel=bool(dead),
        audio_hash=hash_samples(waveform),
        likeness=likeness(waveform) if settings.compares else None,
    )


def letters_per_s(utterance: Utterance) -> float:
    """Letters and digits of the text (for Korean: syllables) per second; nan without any."""
    count = sum(character.isalnum() for character in utterance.text or "")
    return count / utterance.duration_s if count else float("nan")


def _table(rows: Sequence[_Checked], marks: MarkCount, unread: UnreadCount) -> pa.Table:
    faulty = [row.fault is not None for row in rows]
    nan = float("nan")
    columns: dict[str, Any] = {
        "fault": [None if row.fault is None else _writable(row.fault) for row in rows],
        "kind": [row.kind if bad else None for row, bad in zip(rows, faulty, strict=True)],
        "stage": [row.stage if bad else None for row, bad in zip(rows, faulty, strict=True)],
    }
    for name in MEASURES:
        columns[name] = [(row.measures or {}).get(name, nan) for row in rows]
    columns["has_dead_channel"] = [row.has_dead_channel for row in rows]
    columns["hash"] = [row.audio_hash for row in rows]
    columns["likeness"] = [None if row.likeness is None else row.likeness.tobytes() for row in rows]
    counts = {
        "soritune.marks": {
            "texts": marks.texts,
            "marked": marks.marked,
            "marks": dict(marks.marks),
            "kinds": sorted(marks.kinds),
            "first": marks.first,
        },
        "soritune.unread": {
            "texts": unread.texts,
            "affected": unread.affected,
            "characters": dict(unread.characters),
            "first": unread.first,
        },
    }
    metadata = {name: json.dumps(value, ensure_ascii=True) for name, value in counts.items()}
    return pa.table(columns, SCHEMA.with_metadata(metadata))


def _writable(text: str) -> str:
    """Bytes of a file name that are not text as escapes, as quarantine.jsonl has them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def add_counts(table: pa.Table, marks: MarkCount, unread: UnreadCount) -> None:
    """Adds what `check_part` counted in texts to the counts of the parts before."""
    metadata = table.schema.metadata
    part = parse_json(metadata[b"soritune.marks"])
    marks.texts += part["texts"]
    marks.marked += part["marked"]
    marks.marks.update(Counter(part["marks"]))
    marks.kinds.update(part["kinds"])
    marks.first = marks.first or part["first"]
    part = parse_json(metadata[b"soritune.unread"])
    unread.texts += part["texts"]
    unread.affected += part["affected"]
    unread.characters.update(Counter(part["characters"]))
    unread.first = unread.first or part["first"]
