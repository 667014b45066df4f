"""From the channels of a recording to one, and what is wrong between them. Next: `audio/waveform.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.errors import AudioError

Float32Array = NDArray[np.float32]
CHANNEL_NAMES = ("left", "right")
"""Names of the channels 0 and 1."""
EACH = "each"
"""Stands for all channels of a recording, each as a clip of its own."""

_CANCELLING = 0.1
"""The mean of channels with less than this share of their power has lost the speech. Equal channels have 1,
independent ones 1 / channels; below 0.1, two channels have a correlation below -0.8."""
_DEAD_DB = 40.0
"""A channel this far below the loudest one holds no speech."""


def channel_name(channel: int) -> str:
    """left, right, 2, 3, …"""
    return CHANNEL_NAMES[channel] if 0 <= channel < len(CHANNEL_NAMES) else str(channel)


def to_mono(samples: NDArray[Any], path: str | Path, channel: int | None = None) -> Float32Array:
    """One channel of (samples,) or (samples, channels), or the mean of all; (samples,) float32.

    Raises:
        AudioError: the channel does not exist, the result has NaN or infinite samples, or the channels cancel each
            other. `path` is only for the message.
    """
    with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
        mono = _one_channel(samples, path, channel)
    is_finite = np.isfinite(mono)
    if not is_finite.all():
        raise AudioError(
            path, f"holds {int((~is_finite).sum())} samples that are NaN or infinite", "audio-not-finite"
        )
    return mono


def _one_channel(samples: NDArray[Any], path: str | Path, channel: int | None) -> Float32Array:
    if samples.ndim == 1:
        samples = samples[:, None]
    if channel is not None:
        if not 0 <= channel < samples.shape[1]:
            count = "1 channel" if samples.shape[1] == 1 else f"{samples.shape[1]} channels"
            raise AudioError(
                path,
                f"has {count}, so channel {channel} (from 0) does not exist",
                "channel-missing",
            )
        return np.ascontiguousarray(samples[:, channel], dtype=np.float32)
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0], dtype=np.float32)
    mean: Float32Array = samples.mean(axis=1, dtype=np.float32)
    _refuse_cancelling(_power(samples), float(_power(mean[:, None])[0]), path)
    return mean


class MonoBlocks:
    """`to_mono` for a recording that comes in blocks; whether its channels cancel each other shows at its end.

    Args:
        path: only for messages.
        channel: as for `to_mono`.
    """

    def __init__(self, path: str | Path, channel: int | None = None) -> None:
        self.path, self.channel = path, channel
        self._count = 0
        self._sums: NDArray[np.float64] | None = None
        """(2, channels + 1): sums and sums of squares of each channel, and of their mean."""

    def add(self, samples: NDArray[np.float32]) -> Float32Array:
        """The next block (samples, channels) as (samples,).

        Raises:
            AudioError: the channel does not exist, or the result has NaN or infinite samples.
        """
        if self.channel is not None or samples.shape[1] == 1:
            return to_mono(samples, self.path, self.channel)
        with np.errstate(invalid="ignore"):
            mono: Float32Array = samples.mean(axis=1, dtype=np.float32)
        mono = to_mono(mono, self.path)
        both = np.column_stack([samples, mono]).astype(np.float64)
        sums = np.stack([both.sum(axis=0), (both**2).sum(axis=0)])
        self._sums = sums if self._sums is None else self._sums + sums
        self._count += len(samples)
        return mono

    def check(self) -> None:
        """Checks the mean of all blocks.

        Raises:
            AudioError: the channels cancel each other.
        """
        if self._sums is not None:
            means, squares = self._sums / self._count
            power = np.maximum(squares - means**2, 0.0)
            _refuse_cancelling(power[:-1], float(power[-1]), self.path)


def dead_channels(samples: NDArray[Any]) -> list[int]:
    """The channels of (samples, channels) that hold no signal beside another one that does, from 0."""
    if samples.ndim == 1 or samples.shape[1] == 1:
        return []
    power = _power(samples)
    return [int(channel) for channel in np.flatnonzero(power < power.max() * 10 ** (-_DEAD_DB / 10))]


def _refuse_cancelling(power: NDArray[np.float64], mean_power: float, path: str | Path) -> None:
    """Refuses channels whose mean has lost what each of them holds, as when one is the other one inverted."""
    limit = _CANCELLING * min(1.0, 2 / len(power))
    if mean_power < limit * power.mean():
        raise AudioError(
            path,
            f"has {len(power)} channels that cancel each other in their mean; set channel to one of them, "
            f"such as channel={int(power.argmax())}",
            "channels-cancel",
        )


def _power(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Mean power of each of (samples, channels), without a constant offset."""
    power: NDArray[np.float64] = np.var(samples, axis=0, dtype=np.float64)
    return power
