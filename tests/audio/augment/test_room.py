"""An utterance in a room has the drawn decay time and the drawn direct level."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.room import Reverberation
from soritune.draws import Draws

RATE, CLICK = 16000, 1000


def response(visit: int, **changes: object) -> tuple[np.ndarray, dict[str, float]]:
    """The response to a click, starting at the click, and its parameters."""
    room, draws = Reverberation.model_validate({"probability": 1.0, **changes}), Draws(0, 0, 0)
    click = np.zeros(2 * RATE, np.float32)
    click[CLICK] = 1.0
    drawn = room.draw(draws.for_rows("room", np.array([visit])))
    samples = Chain({"room": room}).apply(click, RATE, visit, draws)
    assert np.abs(samples[:CLICK]).max() < 1e-5  # causal
    return samples[CLICK:].astype(np.float64), {name: float(values[0]) for name, values in drawn.items()}


def decay_time_s(samples: np.ndarray) -> float:
    """T60 from the backward integral between -5 and -25 dB (Schroeder 1965; T20 of ISO 3382-2)."""
    energy = np.cumsum(samples[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    return 3 * float(np.argmax(level < -25) - np.argmax(level < -5)) / RATE


@pytest.mark.parametrize("visit", range(12))
def test_tail_falls_by_60_db_in_the_drawn_time(visit: int) -> None:
    samples, drawn = response(visit, absorption=(1.0, 1.0), reflections=(0, 0), decay_s=(0.2, 0.8))
    assert decay_time_s(samples[1:]) == pytest.approx(drawn["decay_s"], rel=0.15)


@pytest.mark.parametrize("visit", range(12))
def test_direct_sound_keeps_its_level_and_the_rest_has_the_drawn_one(visit: int) -> None:
    samples, drawn = response(visit)
    assert samples[0] == pytest.approx(1.0, abs=1e-4)
    assert -10 * np.log10(np.sum(samples[1:] ** 2)) == pytest.approx(drawn["direct_db"], abs=0.1)


def test_draws_cover_the_settings() -> None:
    room = Reverberation(decay_s=(0.1, 0.9), direct_db=(0.0, 10.0), reflections=(2, 4))
    drawn = room.draw(Draws(0, 0, 0).for_rows("room", np.arange(20_000)))
    # Equally likely on a logarithmic scale: half of them below the geometric mean, 0.3 s.
    assert np.median(drawn["decay_s"]) == pytest.approx(0.3, abs=0.01)
    assert 0.1 <= drawn["decay_s"].min() < 0.101 < 0.899 < drawn["decay_s"].max() <= 0.9
    assert np.mean(drawn["direct_db"]) == pytest.approx(5.0, abs=0.1)
    assert np.bincount(drawn["reflections"])[2:] / 20_000 == pytest.approx(1 / 3, abs=0.015)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="within 0.05 and 1.2"):
        Reverberation(decay_s=(0.2, 3.0))
    with pytest.raises(ValidationError, match="from low to high"):
        Reverberation(direct_db=(10.0, 0.0))
