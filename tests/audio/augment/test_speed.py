"""Draw rates of speed perturbation."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.speed import SpeedPerturbation


def test_draw_rates_are_the_stated_ones() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([SpeedPerturbation(probability=0.6).draw(rng) for _ in range(30000)])
    # 0.6 × 1/3 each for 0.9 and 1.1; the rest stays at 1.0. Three standard errors are below 0.008.
    assert np.mean(drawn == 0.9) == pytest.approx(0.2, abs=0.008)
    assert np.mean(drawn == 1.1) == pytest.approx(0.2, abs=0.008)
    assert np.mean(drawn == 1.0) == pytest.approx(0.6, abs=0.01)


def test_a_draw_takes_as_many_numbers_whether_or_not_it_changes_the_speed() -> None:
    states = []
    for probability in (0.0, 1.0):
        rng = np.random.default_rng(3)
        SpeedPerturbation(probability=probability).draw(rng)
        states.append(rng.random())
    assert states[0] == states[1]


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValidationError, match="between 0.5 and 2.0"):
        SpeedPerturbation(factors=(0.9, 0.0))
    with pytest.raises(ValidationError):
        SpeedPerturbation(probability=1.5)
