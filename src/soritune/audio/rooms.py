"""Rooms: impulse responses drawn from a statistical model. Next: `audio/synthesis/recording.py`.

A response is the direct sound, a few early reflections, and a tail of noise under an exponential decay (Polack 1988,
"La transmission de l'énergie sonore dans les salles"; Moorer 1979, "About this reverberation business"): above the
room's mixing time, echoes are so dense that they are noise, and only the decay time and the level of the tail against
the direct sound are heard. High frequencies die sooner, as air and walls absorb them more. The decay times are those
of furnished rooms to small halls, 0.15 to 1 s (ISO 3382-2), the distances those of a headset to a laptop across a
table. NumPy only: a geometric simulation would cost more time than the whole rest of the chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SIXTY_DB = 6.9078
"""ln(1000): the decay time is the one over which the level falls by 60 dB."""
_LOW = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Binomial smoothing: half of the amplitude at a fifth of the sampling rate, nothing at half of it."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a room does to speech."""

    decay_s: float
    """T60 at low frequencies."""
    direct_db: float
    """Level of the direct sound over everything that follows it."""
    absorption: float
    """T60 above 4 kHz as a share of that at low frequencies."""
    reflections: int
    """Early reflections."""


def draw_room(rng: np.random.Generator) -> Room:
    """Decay around 0.35 s, direct sound from -2 dB (across a room) to 18 dB (near the mouth)."""
    return Room(
        decay_s=float(np.clip(np.exp(rng.normal(np.log(0.35), 0.5)), 0.12, 1.2)),
        direct_db=float(np.clip(rng.normal(7, 6), -2, 20)),
        absorption=float(rng.uniform(0.4, 0.9)),
        reflections=int(rng.integers(3, 12)),
    )


def impulse_response(room: Room, sample_rate_hz: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(samples,) of unit energy in the direct sound, which is the first sample.

    Args:
        room: the room.
        sample_rate_hz: of the speech.
        rng: for the reflections and the tail.
    """
    length = max(2, round(min(room.decay_s, 0.8) * sample_rate_hz))
    times = np.arange(length, dtype=np.float32) / sample_rate_hz
    noise = rng.standard_normal(length, dtype=np.float32)
    low = np.convolve(noise, _LOW, "same")
    tail = low * np.exp(-_SIXTY_DB * times / room.decay_s)
    tail += (noise - low) * 0.7 * np.exp(-_SIXTY_DB * times / (room.decay_s * room.absorption))
    first = round(rng.uniform(0.002, 0.015) * sample_rate_hz)
    tail[:first] = 0.0
    places = rng.uniform(0.0015, 0.04, room.reflections)
    strengths = rng.uniform(0.2, 1.0, room.reflections) * rng.choice([-1.0, 1.0], room.reflections)
    peak = float(np.sqrt(np.mean(tail**2)) * np.sqrt(length) / 3) + 1e-6
    for place, strength in zip(places, strengths, strict=True):
        at = round(place * sample_rate_hz)
        if at < length:
            tail[at] += peak * strength * np.exp(-place / 0.03)
    tail *= np.float32(10 ** (-room.direct_db / 20) / (np.sqrt(np.sum(tail**2)) + 1e-9))
    tail[0] = 1.0
    return tail.astype(np.float32)
