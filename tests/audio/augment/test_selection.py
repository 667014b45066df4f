"""A choice of another package: `Chain` applies exactly the members that it chooses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.gain import Gain
from soritune.audio.augment.selection import Selection
from soritune.audio.augment.stretch import TimeStretch
from soritune.draws import Draws, RowDraws

DRAWS = Draws(0, 0, 0)
CLIP = np.full(1000, 0.1, np.float32)


class ByParity(Selection):
    """Gain for even rows, stretch for odd ones."""

    @property
    def choices(self) -> Mapping[str, Gain | TimeStretch]:
        return {"gain": Gain(factor=(2, 2)), "stretch": TimeStretch(factor=(0.5, 0.5))}

    @property
    def at_most(self) -> int:
        return 1

    def chosen(self, rng: RowDraws) -> np.ndarray:
        even = rng.rows % 2 == 0
        return np.stack([even, ~even], axis=1)


def test_chosen_members_change_the_row_and_the_plan() -> None:
    chain = Chain({"parity": ByParity()})
    assert list(chain.waveform) == ["parity.gain", "parity.stretch"]
    assert chain.speed_factors(np.arange(4), DRAWS).tolist() == [1.0, 0.5, 1.0, 0.5]
    assert np.allclose(chain.apply(CLIP, 16000, 0, DRAWS), 0.2)
    assert len(chain.apply(CLIP, 16000, 1, DRAWS)) == 2000
    assert list(chain.drawn(1, DRAWS)) == ["parity.stretch"]
    assert (chain.slowest, chain.fastest) == (0.5, 1.0)
