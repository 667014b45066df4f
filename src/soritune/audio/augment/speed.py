"""Changes to audio that happen in training only. The draw is apart from the doing, so that a plan can be
replayed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from soritune.audio.resample import change_speed
from soritune.settings import Settings


class SpeedPerturbation(Settings):
    """Plays an utterance faster or slower (`resample.change_speed`), as Ko et al. 2015."""

    factors: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Speeds to draw from, all equally likely; 1.0 changes nothing."""
    probability: float = Field(0.5, ge=0, le=1)
    """Share of utterances for which a speed is drawn at all."""

    @field_validator("factors")
    @classmethod
    def _positive(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        if not factors or any(not 0.5 <= factor <= 2.0 for factor in factors):
            raise ValueError(f"speed factors must lie between 0.5 and 2.0, got {list(factors)}")
        return factors

    def draw(self, rng: np.random.Generator) -> float:
        """The speed for one utterance; always takes two numbers from `rng`, so that later draws do not
        shift."""
        chance, place = rng.random(2)
        return self.factors[int(place * len(self.factors))] if chance < self.probability else 1.0

    def __call__(
        self, waveform: NDArray[np.float32], sample_rate_hz: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Draws a speed and plays (samples,) at it."""
        factor = self.draw(rng)
        return waveform if factor == 1.0 else change_speed(waveform, factor)
