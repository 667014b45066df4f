"""Recordings that a table holds as samples, `{"array": …, "sampling_rate": …}`, as files."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.reading.outcomes import ReadingError

_MOST_CHANNELS = 64
_FORMATS = {np.dtype(np.int16): (1, 2), np.dtype(np.float32): (3, 4)}
"""Type of the samples → code of the format in WAV, bytes."""


def wav_of(value: Mapping[str, Any]) -> bytes:
    """A WAV file with the samples: 16 bits for whole numbers of 16 bits, else 32-bit floats.

    The same samples give the same bytes (libsndfile writes the time into files of floats).

    Args:
        value: `array` with the shape (samples,), (channels, samples) or (samples, channels), and `sampling_rate` in Hz.

    Raises:
        ReadingError: no samples, a type or shape that is not that of audio, or no rate.
    """
    samples, rate = value.get("array"), value.get("sampling_rate")
    if not isinstance(samples, np.ndarray) or samples.size == 0:
        raise ReadingError("audio-unnamed", "has no recording: its array has no samples")
    if not isinstance(rate, int | float) or not 0 < rate < 1e7 or rate != int(rate):
        raise ReadingError("audio-rate", f"sampling_rate is {rate!r}, not a number of samples per second")
    plain = _plain(samples)
    channels = plain.shape[1]
    code, width = _FORMATS[plain.dtype]
    content = plain.astype(plain.dtype.newbyteorder("<")).tobytes()
    header = struct.pack(
        "<HHIIHH", code, channels, int(rate), int(rate) * channels * width, channels * width, 8 * width
    )
    chunks = b"fmt " + struct.pack("<I", len(header)) + header
    if code == 3:
        chunks += b"fact" + struct.pack("<II", 4, len(plain))
    chunks += b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _plain(samples: NDArray[Any]) -> NDArray[Any]:
    """(samples, channels) of a type that a file can hold."""
    if samples.ndim == 1:
        samples = samples[:, None]
    elif samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        samples = samples.T
    if samples.ndim != 2 or samples.shape[1] > _MOST_CHANNELS:
        raise ReadingError(
            "audio-shape", f"its array has the shape {samples.shape}, which is not that of audio"
        )
    if samples.dtype == np.int16:
        return samples
    if samples.dtype.kind != "f":
        raise ReadingError(
            "audio-type",
            f"its array has the type {samples.dtype}; samples are floats or whole numbers of 16 bits",
        )
    return samples.astype(np.float32)
