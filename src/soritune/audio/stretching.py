"""Changes of tempo and of pitch, each without the other, by overlapping similar parts of the waveform (WSOLA).

Verhelst and Roelands 1993, "An overlap-add technique based on waveform similarity (WSOLA) for high quality
time-scale modification of speech". Parts of 40 ms are laid over one another every 20 ms. Each is taken from where the
tempo puts it, moved by at most 12 ms to where it continues the part before it best. Next: `audio/resample.py`.
"""

from __future__ import annotations

import numpy as np

from soritune.audio.channels import Float32Array
from soritune.audio.resample import change_speed

_HOP_S = 0.02
"""Half the length of a part."""
_REACH_S = 0.012
"""How far a part is moved: a period of a voice of 83 Hz. Time labels remain valid to this precision."""


def stretch(samples: Float32Array, sample_rate_hz: int, factor: float) -> Float32Array:
    """Plays (samples,) `factor` times as fast with its pitch unchanged → (round(samples / factor),) float32.

    Raises:
        ValueError: `factor` is not positive.
    """
    if factor <= 0:
        raise ValueError(f"the speed factor must be positive, got {factor}")
    size = round(len(samples) / factor)
    if factor == 1.0 or size == 0:
        return samples[:size]
    hop, reach = max(round(_HOP_S * sample_rate_hz), 1), round(_REACH_S * sample_rate_hz)
    margin = 2 * hop + reach
    source = np.zeros(len(samples) + 2 * margin + hop, np.float32)
    source[margin : margin + len(samples)] = samples
    energy = np.concatenate([np.zeros(1), np.cumsum(np.square(source, dtype=np.float64))])
    energy_of_hop = energy[hop:] - energy[:-hop]
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    parts = size // hop + 2
    result = np.zeros(parts * hop, np.float32)
    begin = (
        margin - hop
    )  # the first part is centred on the first sample, so that only its second half is heard
    result[:hop] = source[begin + hop : begin + 2 * hop] * window[hop:]
    latest = len(source) - 2 * hop - reach
    for number in range(1, parts):
        earliest = min(margin - hop + round(number * hop * factor), latest) - reach
        continuation = source[begin + hop : begin + 2 * hop]
        begin = earliest + _most_similar(
            source[earliest : earliest + 2 * reach + hop],
            energy_of_hop[earliest : earliest + 2 * reach + 1],
            continuation,
        )
        result[(number - 1) * hop : (number + 1) * hop] += source[begin : begin + 2 * hop] * window
    return result[:size]


def shift_pitch(samples: Float32Array, sample_rate_hz: int, semitones: float) -> Float32Array:
    """Raises the pitch of (samples,) with its length unchanged; the formants move with the pitch.

    The waveform is stretched, then played faster by the same factor.
    """
    ratio = 2.0 ** (semitones / 12)
    if ratio == 1.0:
        return samples
    moved = change_speed(stretch(samples, sample_rate_hz, 1 / ratio), ratio)
    result = np.zeros(len(samples), np.float32)
    result[: len(moved)] = moved[: len(samples)]
    return result


def _most_similar(region: Float32Array, energies: np.ndarray, continuation: Float32Array) -> int:
    """Where in the region the part begins that is most similar to the continuation; the middle if it is silent.

    Args:
        region: (2 reach + hop,) samples.
        energies: (2 reach + 1,) energy of the hop that begins at each position.
        continuation: (hop,) what follows the part before in the source.
    """
    if not continuation.any():
        return len(energies) // 2
    products = np.correlate(region, continuation, "valid")
    return int(np.argmax(products / np.sqrt(np.maximum(energies, 1e-9))))
