"""The contract of augmentations: a range is checked, the length is kept by default, both methods are required."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.augmentation import Augmentation, Parameters, within
from soritune.draws import Draws, RowDraws


class Louder(Augmentation):
    gain: Annotated[tuple[float, float], within(1.0, 4.0)] = (1.0, 2.0)

    def draw(self, rng: RowDraws) -> Parameters:
        return {"gain": rng.between("gain", self.gain)}

    def apply(
        self,
        samples: np.ndarray,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> np.ndarray:
        return samples * np.float32(parameters["gain"])


def test_length_is_kept_by_default() -> None:
    louder = Louder()
    drawn = louder.draw(Draws(0, 0, 0).for_rows("louder", np.arange(5)))
    assert (louder.speed_factor(drawn), louder.fastest, louder.slowest) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("bounds", [(1.0, 4.0), (2.5, 2.5)])
def test_range_within_its_limits_is_accepted(bounds: tuple[float, float]) -> None:
    assert Louder(gain=bounds).gain == bounds


@pytest.mark.parametrize("bounds", [(0.9, 2.0), (2.0, 4.1), (3.0, 2.0)])
def test_reversed_range_and_range_beyond_its_limits_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValidationError, match="give a range from low to high within 1 and 4"):
        Louder(gain=bounds)


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_probability_out_of_range_is_refused(probability: float) -> None:
    with pytest.raises(ValidationError, match="probability"):
        Louder(probability=probability)


def test_augmentation_without_draw_or_apply_cannot_be_created() -> None:
    class Nothing(Augmentation):
        pass

    with pytest.raises(TypeError, match="apply.*draw"):
        Nothing()  # type: ignore[abstract]
