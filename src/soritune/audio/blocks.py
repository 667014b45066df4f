"""Recordings of hours in blocks, so that the memory that they take does not grow with their length.

Next: `inference/window_reading.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.audio.channels import Float32Array, MonoBlocks
from soritune.audio.resample import resample_blocks
from soritune.audio.voice_activity import Activity
from soritune.audio.waveform import decode_blocks

BLOCK_S = 60.0
"""Long enough for a noise floor, and a whole number of frames of every voice activity detector at 16 kHz."""


def read_blocks(
    path: str | Path,
    *,
    start_s: float | None = None,
    duration_s: float | None = None,
    channel: int | None = None,
    sample_rate_hz: int = 16000,
    pcm: str | None = None,
) -> Iterator[Float32Array]:
    """As `read_audio`, in blocks (samples,) of any lengths.

    Raises:
        AudioError: as `read_audio`, but of a truncated file, or one whose channels cancel each other, only at its end.
    """
    mono = MonoBlocks(path, channel)
    decoded = decode_blocks(path, start_s=start_s, duration_s=duration_s, pcm=pcm, block_s=BLOCK_S)
    first = next(decoded, None)
    if first is None:
        return

    def channel_blocks() -> Iterator[Float32Array]:
        yield mono.add(first.samples)
        for block in decoded:
            yield mono.add(block.samples)

    yield from resample_blocks(channel_blocks(), first.sample_rate_hz, sample_rate_hz)
    mono.check()


def even_blocks(blocks: Iterable[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    """The same samples in blocks of `size`; the last one has at least a half and less than one and a half of it, as far
    as there are enough samples."""
    waiting = np.zeros(0, dtype=np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= size + size // 2:
            yield waiting[:size].copy()
            waiting = waiting[size:]
    if len(waiting):
        yield waiting


class Stretch(NamedTuple):
    """A part of a recording."""

    start: int
    """First sample, counted from the beginning of the recording."""
    samples: Float32Array
    """(samples,)."""


def sliding_windows(
    blocks: Iterable[NDArray[np.float32]], window_s: float, hop_s: float, rate: int
) -> Iterator[Stretch]:
    """Windows of `window_s` that begin every `hop_s` seconds, rounded to samples.

    The last window is moved left to end with the recording, so that it is as long as the others. A recording that is
    shorter than a window is one window.

    Args:
        blocks: of the recording, (samples,).
        window_s: length of a window.
        hop_s: from the start of one to the start of the next; at most `window_s`.
        rate: samples per second.
    """
    window = max(round(window_s * rate), 1)
    waiting = np.zeros(0, dtype=np.float32)
    origin, index, stop = 0, 0, 0
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        end = origin + len(waiting)
        while (start := round(index * hop_s * rate)) + window <= end:
            yield Stretch(start, waiting[start - origin : start - origin + window].copy())
            index, stop = index + 1, start + window
        unused = min(start, end - window) - origin  # the last window may begin before the next one would
        if unused > 0:
            waiting, origin = waiting[unused:], origin + unused
    end = origin + len(waiting)
    if stop < end:
        start = max(end - window, 0)
        yield Stretch(start, waiting[start - origin :].copy())


class ActivityOfBlocks:
    """Where a recording that comes in blocks holds speech."""

    def __init__(self) -> None:
        self._blocks: list[tuple[float, float, Activity]] = []

    def add(self, start_s: float, end_s: float, activity: Activity) -> None:
        """Adds what was found in a block."""
        self._blocks.append((start_s, end_s, activity))

    def between(self, start_s: float, end_s: float) -> Activity:
        """What was found in a stretch, from its own beginning; it has no frames where nothing was added."""
        parts = [
            (activity.inside(max(start_s - first, 0.0), min(end_s, last) - first), activity.frame_s)
            for first, last, activity in self._blocks
            if first < end_s and last > start_s
        ]
        if not parts:
            return Activity(np.zeros(0, dtype=bool), 0.0)
        return Activity(np.concatenate([frames for frames, _ in parts]), parts[0][1])
