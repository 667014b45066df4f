"""Changes to audio that happen in training only. The draw is apart from the doing, so that a plan can be
replayed."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator


class SpeedPerturbation(BaseModel):
    """Plays an utterance faster or slower (`resample.change_speed`), as Ko et al. 2015."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

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
