"""Rooms: impulse responses drawn from a statistical model. Next: `audio/synthesis/recording.py`.

A response is the direct sound, a few early reflections, and a tail of noise with an exponential decay (Polack
1988, "La transmission de l'énergie sonore dans les salles"; Moorer 1979, "About this reverberation
business"). After the mixing time of the room, echoes are so dense that they are noise: only the decay time
and the level of the tail relative to the direct sound are audible. High frequencies decay faster, since air
and walls absorb them more. Decay times are those of furnished rooms to small halls, 0.15 to 1 s (ISO 3382-2).
Distances range from a headset to a laptop across a table. A geometric simulation would take more time than
everything else that is done to an utterance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SIXTY_DB = 6.9078
"""ln(1000): in the decay time the level falls by 60 dB, the amplitude to a thousandth."""
_LOW = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Binomial smoothing: gain cos⁴(π f / rate), which is 0.43 at a fifth of the sampling rate and 0 at half of it."""


@dataclass(frozen=True, slots=True)
class Room:
    """The acoustics of a room."""

    decay_s: float
    """T60 at low frequencies."""
    direct_db: float
    """Level of the direct sound relative to everything that follows it."""
    absorption: float
    """T60 above 4 kHz as a share of T60 at low frequencies."""
    reflections: int
    """Number of early reflections."""


def draw_room(rng: np.random.Generator) -> Room:
    """A room with a decay time around 0.35 s and a direct sound from -2 dB (across a room) to 20 dB (near
    the mouth)."""
    return Room(
        decay_s=float(np.clip(np.exp(rng.normal(np.log(0.35), 0.5)), 0.12, 1.2)),
        direct_db=float(np.clip(rng.normal(7, 6), -2, 20)),
        absorption=float(rng.uniform(0.4, 0.9)),
        reflections=int(rng.integers(3, 12)),
    )


def impulse_response(room: Room, sample_rate_hz: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The impulse response of a room, drawn for its reflections and its tail.

    Args:
        room: the room.
        sample_rate_hz: of the speech.
        rng: for the reflections and the tail.

    Returns:
        (samples,) float32. The first sample is the direct sound, 1.0.
    """
    length = max(2, round(min(room.decay_s, 0.8) * sample_rate_hz))
    times = np.arange(length, dtype=np.float32) / sample_rate_hz
    noise = rng.standard_normal(length, dtype=np.float32)
    low = np.convolve(noise, _LOW, "same")
    tail = low * np.exp(-_SIXTY_DB * times / room.decay_s)
    tail += (noise - low) * 0.7 * np.exp(-_SIXTY_DB * times / (room.decay_s * room.absorption))
    first = round(rng.uniform(0.002, 0.015) * sample_rate_hz)
    tail[:first] = 0.0
    delays_s = rng.uniform(0.0015, 0.04, room.reflections)
    strengths = rng.uniform(0.2, 1.0, room.reflections) * rng.choice([-1.0, 1.0], room.reflections)
    peak = float(np.sqrt(np.mean(tail**2)) * np.sqrt(length) / 3) + 1e-6
    for delay_s, strength in zip(delays_s, strengths, strict=True):
        index = round(delay_s * sample_rate_hz)
        if index < length:
            tail[index] += peak * strength * np.exp(-delay_s / 0.03)
    tail *= np.float32(10 ** (-room.direct_db / 20) / (np.sqrt(np.sum(tail**2)) + 1e-9))
    tail[0] = 1.0
    return tail.astype(np.float32)
