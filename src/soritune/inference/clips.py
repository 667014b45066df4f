"""What is given to a predictor: files, samples in memory, or rows of a manifest. Next:
`inference/predictor.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from soritune.audio.preprocessing import is_rate
from soritune.audio.waveform import read_header
from soritune.errors import AudioError

GROUP_FIELDS = (
    "speaker",
    "gender",
    "age",
    "emotion",
    "first_language",
    "language",
    "source",
    "script",
    "text_source",
    "snr_db",
)
"""Utterance fields that go with a prediction, so that scores can be grouped by them later."""

LONGEST_GROUP = 40
"""Longer values of `extra` are texts rather than names of groups, and stay out of the predictions."""

Samples = tuple[NDArray[np.floating], int]
"""(samples,) or (samples, channels) and the sample rate in Hz."""


GIVEN = "files, folders, (samples, rate) pairs, or a manifest"
"""What can be predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One thing to predict."""

    id: str
    audio: str
    """What it is called in the output: the path, as it was given."""
    path: Path | None = None
    samples: Samples | None = None
    """Instead of `path`."""
    start_s: float | None = None
    duration_s: float = 0.0
    """For sorting into batches; 0 where it is not known."""
    channel: int | None = None
    utterance: Any = None
    """The manifest row, for references; None for plain files."""
    groups: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Rows(Protocol):
    """What is used of a `Manifest`; inference does not import the corpus."""

    def utterances(self) -> Iterator[Any]:
        """The rows in order."""
        ...

    def audio_path(self, utterance: Any) -> Path:
        """Where a row's file lies."""
        ...


def clips_of_paths(paths: Iterable[str | Path]) -> Iterator[Clip]:
    """A clip per file; its id is the path as given. Files that cannot be read get duration 0 and fail
    later."""
    for path in paths:
        try:
            duration = read_header(path).duration_s
        except AudioError:
            duration = 0.0
        yield Clip(id=str(path), audio=str(path), path=Path(path), duration_s=duration)


def is_samples(item: object) -> bool:
    """Whether something is a pair (waveform, sample rate); how sound they are shows when they are read."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        return False
    waveform, rate = item
    if isinstance(waveform, str | Path | tuple) or isinstance(rate, str | Path):
        return False
    return hasattr(waveform, "__len__") and not hasattr(rate, "__len__")


def clips_of_samples(items: Iterable[Samples]) -> Iterator[Clip]:
    """A clip per (waveform, sample rate), called `0`, `1`, …"""
    for index, (waveform, rate) in enumerate(items):
        samples = np.asarray(waveform)
        known = is_rate(rate) and samples.ndim > 0
        yield Clip(
            id=str(index),
            audio="(samples)",
            samples=(samples, rate),
            duration_s=len(samples) / rate if known else 0.0,
        )


def clips_of_rows(manifest: Rows, groups: Mapping[str, Any] | None = None) -> Iterator[Clip]:
    """A clip per manifest row, with what is known of it; `groups` is added to each (e.g. the split's
    name)."""
    for utterance in manifest.utterances():
        known = {name: value for name, value in utterance.extra.items() if len(str(value)) <= LONGEST_GROUP}
        known |= {name: getattr(utterance, name) for name in GROUP_FIELDS}
        yield Clip(
            id=utterance.id,
            audio=utterance.audio,
            path=manifest.audio_path(utterance),
            start_s=utterance.start_s,
            duration_s=utterance.duration_s,
            channel=utterance.channel,
            utterance=utterance,
            groups={**{name: value for name, value in known.items() if value is not None}, **(groups or {})},
        )
