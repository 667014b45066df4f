"""Gain multiplies and clips."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.gain import Gain
from soritune.draws import Draws

DRAWS = Draws(0, 0, 0)


def test_samples_are_multiplied_by_the_factor_drawn_and_clipped() -> None:
    clip = np.array([0.1, -0.2, 0.9, -0.9], np.float32)
    chain = Chain({"gain": Gain(probability=1)})
    for visit in range(20):
        factor = chain.drawn(visit, DRAWS)["gain"]["factor"][0]
        expected = np.clip(clip * factor, -1, 1)
        assert np.allclose(chain.apply(clip, 16000, visit, DRAWS), expected, atol=1e-6)


def test_factors_are_uniform_from_half_to_one_and_a_half() -> None:
    drawn = Gain().draw(DRAWS.for_rows("gain", np.arange(4000)))["factor"]
    assert 0.5 <= drawn.min() < 0.505 and 1.495 < drawn.max() <= 1.5
    assert abs(drawn.mean() - 1) <= 2.576 / np.sqrt(12 * 4000)


def test_factor_0_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"within 0\.01 and 100"):
        Gain(factor=(0.0, 1.0))
