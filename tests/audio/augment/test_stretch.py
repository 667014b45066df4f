"""Time stretch: the factors drawn, and what the plan of an epoch knows of them."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.stretch import TimeStretch
from soritune.draws import Draws

RATE, DRAWS = 16000, Draws(0, 0, 0)
CLIP = np.sin(np.arange(RATE) / 20).astype(np.float32)


def test_factors_are_uniform_in_the_range_and_divide_the_duration() -> None:
    chain = Chain({"stretch": TimeStretch(probability=1)})
    factors = chain.speed_factors(np.arange(4000), DRAWS)
    counts, _ = np.histogram(factors, bins=4, range=(0.8, 1.2))
    assert counts.sum() == 4000
    assert np.abs(counts - 1000).max() <= 2.576 * np.sqrt(4000 * 0.25 * 0.75) * 1.3  # four bins at once
    assert [len(chain.apply(CLIP, RATE, visit, DRAWS)) for visit in range(20)] == [
        round(RATE / factor) for factor in factors[:20]
    ]
    assert (chain.slowest, chain.fastest) == (0.8, 1.2)


def test_range_that_contains_only_1_changes_nothing() -> None:
    chain = Chain({"stretch": TimeStretch(probability=1, factor=(1.0, 1.0))})
    assert not chain.changes_length
    assert np.array_equal(chain.apply(CLIP, RATE, 0, DRAWS), CLIP)


@pytest.mark.parametrize("factor", [(0.1, 1.0), (1.2, 0.8), (1.0, 3.0)])
def test_invalid_range_is_refused(factor: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match=r"range from low to high within 0\.5 and 2"):
        TimeStretch(factor=factor)
