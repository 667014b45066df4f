"""Impulse responses have the decay time and the direct level of their room."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.rooms import Room, draw_room, impulse_response


def decay_time_s(response: np.ndarray, rate: int) -> float:
    """T60 from the backward integral between -5 and -25 dB (Schroeder 1965; T20 of ISO 3382)."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    first, last = np.argmax(level < -5), np.argmax(level < -25)
    return float(3 * (last - first) / rate)


@pytest.mark.parametrize("decay_s", [0.2, 0.5, 0.8])
def test_tail_falls_by_60_db_in_the_decay_time(decay_s: float) -> None:
    room = Room(decay_s=decay_s, direct_db=0, absorption=1.0, reflections=0)
    response = impulse_response(room, 16000, np.random.default_rng(0))
    assert decay_time_s(response[1:], 16000) == pytest.approx(decay_s, rel=0.15)


def test_high_frequencies_decay_faster() -> None:
    response = impulse_response(Room(0.6, 0, 0.4, 0), 16000, np.random.default_rng(0))[1:]
    spectrum = np.fft.rfft(response)
    edge = len(spectrum) // 2
    high = np.fft.irfft(np.concatenate([np.zeros(edge), spectrum[edge:]]), len(response))
    low = np.fft.irfft(
        np.concatenate([spectrum[: edge // 4], np.zeros(len(spectrum) - edge // 4)]), len(response)
    )
    assert decay_time_s(high, 16000) < 0.75 * decay_time_s(low, 16000)


@pytest.mark.parametrize("direct_db", [-2.0, 10.0])
def test_direct_sound_is_first_and_has_the_given_level(direct_db: float) -> None:
    response = impulse_response(Room(0.3, direct_db, 0.6, 6), 16000, np.random.default_rng(1))
    assert response[0] == 1.0
    assert 10 * np.log10(1 / np.sum(response[1:] ** 2)) == pytest.approx(direct_db, abs=0.01)
    assert np.all(response[1:20] == 0)  # nothing arrives 1 ms after the direct sound


def test_drawn_rooms_are_in_the_stated_ranges() -> None:
    rooms = [draw_room(np.random.default_rng(seed)) for seed in range(300)]
    assert 0.28 < np.median([room.decay_s for room in rooms]) < 0.45
    assert all(0.1 <= room.decay_s <= 1.2 and -2 <= room.direct_db <= 20 for room in rooms)
