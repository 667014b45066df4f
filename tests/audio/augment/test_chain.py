"""A chain applies its members in order and detects a member that breaks its contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from soritune.audio.augment.augmentation import Augmentation, Parameters
from soritune.audio.augment.chain import Chain
from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.augment.speed import SpeedPerturbation
from soritune.draws import Draws, RowDraws
from soritune.errors import AugmentationError

RATE, DRAWS = 16000, Draws(0, 0, 0)
NOISE = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)


def chain(**settings: dict[str, Any]) -> Chain:
    return Chain.of(AugmentSettings.model_validate(settings))


class Repeat(Augmentation):
    """Repeats an utterance, or breaks the contract."""

    drawn: float = 0.5
    bound: float = 0.5
    result: str = "twice"

    def draw(self, rng: RowDraws) -> Parameters:
        return {"factor": np.full(len(rng), self.drawn)}

    def apply(
        self,
        samples: np.ndarray,
        sample_rate_hz: int,
        parameters: Mapping[str, Any],
        generator: np.random.Generator,
    ) -> np.ndarray:
        made: dict[str, Any] = {
            "twice": np.tile(samples, 2),
            "float64": np.tile(samples, 2).astype(np.float64),
            "stereo": np.stack([samples, samples]),
            "a list": samples.tolist() * 2,
            "NaN": np.full(2 * len(samples), np.nan, np.float32),
        }
        return made[self.result]

    def speed_factor(self, parameters: Parameters) -> np.ndarray:
        return parameters["factor"]

    @property
    def fastest(self) -> float:
        return self.bound

    @property
    def slowest(self) -> float:
        return self.bound


def share_above_4_khz(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power[len(power) // 2 :].sum() / power.sum())


def test_members_are_applied_in_the_order_given() -> None:
    noise = {"probability": 1, "snr_db": (0, 0), "kinds": ["steady"], "colour_exponent": (0, 0)}
    telephone = {"probability": 1}
    before = chain(noise=noise, telephone=telephone).apply(NOISE, RATE, 0, DRAWS)
    after = chain(telephone=telephone, noise=noise).apply(NOISE, RATE, 0, DRAWS)
    assert share_above_4_khz(before) < 1e-4 < 0.1 < share_above_4_khz(after)


def test_factors_and_bounds_are_products() -> None:
    speed = SpeedPerturbation(factors=(0.8, 1.25), probability=1)
    both = Chain({"speed": speed, "repeat": Repeat(probability=1)})
    factors = both.speed_factors(np.arange(100), DRAWS)
    assert set(factors.tolist()) == {0.4, 0.625}
    assert (both.slowest, both.fastest, both.changes_length) == (0.4, 0.625, True)
    assert [len(both.apply(NOISE, RATE, visit, DRAWS)) for visit in range(20)] == [
        round(RATE / factor) for factor in factors[:20]
    ]


def test_bounds_include_unchanged_utterances() -> None:
    for probability, bounds in ((1.0, (1.25, 1.5)), (0.5, (1.0, 1.5)), (0.0, (1.0, 1.0))):
        faster = Chain({"speed": SpeedPerturbation(factors=(1.25, 1.5), probability=probability)})
        assert (faster.slowest, faster.fastest) == bounds
    assert Chain({}).speed_factors(np.arange(3), DRAWS).tolist() == [1.0, 1.0, 1.0]
    assert (Chain({}).fastest, Chain({}).slowest, Chain({}).changes_length) == (1, 1, False)


def test_two_members_of_one_kind_draw_independently() -> None:
    noise = {"probability": 0.5, "snr_db": (0, 0)}
    member = chain(noise=noise).waveform["noise"]
    changed = [
        [
            not np.array_equal(Chain({key: member}).apply(NOISE, RATE, visit, DRAWS), NOISE)
            for visit in range(30)
        ]
        for key in ("noise", "noise_again")
    ]
    assert changed[0] != changed[1]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("float64", "augment.repeat returned float64 \\(32000,\\); it must return float32 in one dimension"),
        ("stereo", "returned float32 \\(2, 16000\\)"),
        ("a list", "returned list; it must return float32"),
        ("NaN", "returned samples that are NaN or infinite"),
    ],
)
def test_samples_that_break_the_contract_are_refused(result: str, message: str) -> None:
    with pytest.raises(AugmentationError, match=message):
        Chain({"repeat": Repeat(probability=1, result=result)}).apply(NOISE, RATE, 0, DRAWS)


def test_length_that_differs_from_the_speed_factor_is_refused() -> None:
    with pytest.raises(
        AugmentationError, match=r"32000 samples; by its speed_factor they should be 20000\.0"
    ):
        Chain({"repeat": Repeat(probability=1, drawn=0.8, bound=0.8)}).apply(NOISE, RATE, 0, DRAWS)


def test_factors_beyond_the_bounds_are_refused_in_plan_and_collation() -> None:
    wrong = Chain({"repeat": Repeat(probability=1, drawn=0.5, bound=0.9)})
    message = r"augment.repeat drew a speed factor of 0\.5, but its slowest and fastest are 0\.9 and 0\.9"
    with pytest.raises(AugmentationError, match=message):
        wrong.speed_factors(np.arange(3), DRAWS)
    with pytest.raises(AugmentationError, match=message):
        wrong.apply(NOISE, RATE, 0, DRAWS)
    silent = Chain({"repeat": Repeat(probability=1, drawn=0.5, bound=1.0)})
    with pytest.raises(AugmentationError, match="its slowest and fastest are 1 and 1"):
        silent.apply(NOISE, RATE, 0, DRAWS)


def test_single_augmentation_draws_as_in_a_recipe() -> None:
    speed = SpeedPerturbation(factors=(0.8, 1.25), probability=0.5)
    assert list(Chain.of(speed).waveform) == ["speed"]
    assert list(Chain.of(Repeat()).waveform) == ["Repeat"]
    rows = np.arange(50)
    recipe = chain(speed={"factors": [0.8, 1.25], "probability": 0.5})
    assert np.array_equal(Chain.of(speed).speed_factors(rows, DRAWS), recipe.speed_factors(rows, DRAWS))
    assert Chain.of(recipe) is recipe


def test_mapping_is_checked_as_in_a_recipe() -> None:
    given = {"speed": {"factors": [0.8, 1.25], "probability": 1}, "telephone": {}}
    checked = Chain.of(given)
    assert list(checked.waveform) == ["speed", "telephone"]
    assert np.array_equal(checked.apply(NOISE, RATE, 0, DRAWS), chain(**given).apply(NOISE, RATE, 0, DRAWS))
    with pytest.raises(AugmentationError, match=r"augment\.sped: unknown key; did you mean 'speed'\?"):
        Chain.of({"sped": {}})
    with pytest.raises(AugmentationError, match=r"augment\.speed\.probability: .* \(got 2\)"):
        Chain.of({"speed": {"probability": 2}})


@pytest.mark.parametrize("given", ["speed", SpeedPerturbation, [SpeedPerturbation()], 3])
def test_objects_that_are_not_augmentations_are_refused(given: Any) -> None:
    with pytest.raises(AugmentationError, match=r"is not an augmentation; give an instance such as"):
        Chain.of(given)
    with pytest.raises(AugmentationError, match=r"augment\.key is .*, which is not an augmentation"):
        Chain({"key": given})
