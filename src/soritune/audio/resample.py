"""Changing the sampling rate and the speed of a waveform, by soxr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(waveform: NDArray[np.float32], from_hz: float, to_hz: float) -> NDArray[np.float32]:
    """(samples,) at `from_hz` → (about samples × to_hz / from_hz,) at `to_hz`, soxr quality HQ.

    Raises:
        ValueError: a rate is not positive.
    """
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError(f"sampling rates must be positive, got {from_hz} and {to_hz}")
    if from_hz == to_hz or len(waveform) == 0:
        return waveform
    result: NDArray[np.float32] = soxr.resample(
        waveform.astype(np.float32, copy=False), from_hz, to_hz, quality="HQ"
    )
    return result


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], from_hz: float, to_hz: float
) -> Iterator[NDArray[np.float32]]:
    """`resample` for a waveform that comes in blocks (samples,), without a seam between them.

    The blocks that are returned have other lengths than those that are given.

    Raises:
        ValueError: a rate is not positive.
    """
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError(f"sampling rates must be positive, got {from_hz} and {to_hz}")
    if from_hz == to_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block.astype(np.float32, copy=False))
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def change_speed(waveform: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Plays (samples,) `factor` times as fast: tempo and pitch change together → (samples / factor,).

    The speed perturbation of Ko et al. 2015 ("Audio augmentation for speech recognition").

    Raises:
        ValueError: `factor` is not positive.
    """
    if factor <= 0:
        raise ValueError(f"the speed factor must be positive, got {factor}")
    return resample(waveform, factor, 1.0)
