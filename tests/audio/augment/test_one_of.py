"""One augmentation with probability 0.5, and a second one with 0.2 where there is a first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.mixing import MixableBatch
from soritune.audio.augment.settings import AugmentSettings
from soritune.draws import Draws
from soritune.settings import faults_of

DRAWS, ROWS = Draws(0, 0, 0), np.arange(20_000)
MEMBERS: dict[str, Any] = {
    "gaussian_noise": {},
    "stretch": {},
    "pitch": {},
    "gain": {},
    "spec_augment": {},
    "mixup": {"alpha": 1.0},
    "cutmix": {},
    "random_erase": {},
}


def chain(among: dict[str, Any] | None = None, **settings: Any) -> Chain:
    return Chain.of({"one_of": {"among": among or MEMBERS, **settings}})


def table(made: Chain, draws: Draws = DRAWS) -> np.ndarray:
    """(rows, members)."""
    return np.stack(list(made.chosen(ROWS, draws).values()), axis=1)


def within_99_percent(count: int, share: float) -> bool:
    return abs(count - share * len(ROWS)) <= 2.576 * np.sqrt(len(ROWS) * share * (1 - share))


def test_half_is_changed_and_a_fifth_of_that_twice() -> None:
    changes = table(chain()).sum(axis=1)
    assert set(changes.tolist()) == {0, 1, 2}
    for number, share in enumerate((0.5, 0.4, 0.1)):
        assert within_99_percent(int((changes == number).sum()), share)


def test_members_and_pairs_are_equally_likely() -> None:
    chosen = table(chain(probability=1.0, second_probability=0.4))
    for column in chosen.T:  # 1/8 as the first, and 0.4/8 as the second
        assert abs(column.mean() - 1.4 / 8) <= 3.3 * np.sqrt(0.175 * 0.825 / len(ROWS))  # eight at once
    pairs = chosen[chosen.sum(axis=1) == 2]
    counts = [int((pairs[:, a] & pairs[:, b]).sum()) for a in range(8) for b in range(a)]
    assert sum(counts) == len(pairs)
    expected = len(pairs) / 28
    assert (
        sum((count - expected) ** 2 / expected for count in counts) < 47.0
    )  # 99 % of chi-squared with 27 degrees


@pytest.mark.parametrize(
    ("first", "second", "shares"), [(1.0, 1.0, (0, 0, 1)), (1.0, 0.0, (0, 1, 0)), (0.0, 1.0, (1, 0, 0))]
)
def test_both_probabilities_are_settings(first: float, second: float, shares: tuple[int, ...]) -> None:
    changes = table(chain(probability=first, second_probability=second)).sum(axis=1)
    assert tuple((changes == number).mean() for number in range(3)) == shares


def test_draws_depend_on_seed_phase_and_epoch_but_not_on_other_rows() -> None:
    made, every = chain(), table(chain())
    some = made.chosen(ROWS[[5, 900, 3]], DRAWS)
    assert np.array_equal(np.stack(list(some.values()), axis=1), every[[5, 900, 3]])
    for draws in (Draws(1, 0, 0), Draws(0, 1, 0), Draws(0, 0, 1)):
        assert not np.array_equal(table(made, draws), every)


def test_members_have_the_parameters_of_their_settings_and_the_plan_follows() -> None:
    made = chain({"stretch": {"factor": [0.5, 0.6]}, "gain": {"factor": [0.1, 0.1]}}, probability=0.7)
    chosen = made.chosen(ROWS[:200], DRAWS)
    factors = made.speed_factors(ROWS[:200], DRAWS)
    clip = np.full(1000, 0.5, np.float32)
    for visit in range(200):
        changed = made.apply(clip, 16000, visit, DRAWS)
        assert (0.5 <= factors[visit] <= 0.6) == chosen["one_of.among.stretch"][visit]
        assert abs(len(changed) - 1000 / factors[visit]) <= 1
        assert (np.abs(changed).max() < 0.1) == chosen["one_of.among.gain"][visit]


def test_bounds_of_the_length_are_those_of_the_members_that_can_meet() -> None:
    among = {"stretch": {"factor": [0.8, 1.2]}, "speed": {"factors": [0.9, 1.1]}, "gain": {}}
    one = chain(among, second_probability=0.0)
    assert (one.slowest, one.fastest) == (0.8, 1.2)
    two = chain(among)
    assert (two.slowest, two.fastest) == pytest.approx((0.72, 1.32))
    factors = two.speed_factors(ROWS, DRAWS)
    assert two.slowest <= factors.min() < 0.75 and 1.28 < factors.max() <= two.fastest
    assert not chain(among, probability=0.0).changes_length


def test_only_chosen_utterances_are_mixed_and_masked() -> None:
    made = chain(
        {"mixup": {"alpha": 100.0}, "spec_augment": {"feature_masks": 8, "feature_width_share": 1.0}},
        probability=0.7,
    )
    visits = np.array([40, 3, 17, 5, 99, 12, 61, 7])
    chosen = made.chosen(visits, DRAWS)
    assert 0 < chosen["one_of.among.mixup"].sum() < 8
    batch = MixableBatch(
        np.eye(8, dtype=np.float32),
        np.full(8, 8),
        {"emotion": np.eye(8, dtype=np.float32)},
        {"emotion": np.ones(8, dtype=bool)},
    )
    mixed = made.mix(batch, DRAWS, 3, visits)
    is_mixed = (mixed.waveform != batch.waveform).any(axis=1)
    assert np.array_equal(is_mixed, chosen["one_of.among.mixup"])
    assert np.array_equal(mixed.waveform, mixed.targets["emotion"])
    masks = made.masks(visits, np.full(8, 50), 40, DRAWS)
    assert masks is not None
    assert np.array_equal(masks.feature.any(axis=1), chosen["one_of.among.spec_augment"])


def test_written_settings_can_be_read_again() -> None:
    given = AugmentSettings.model_validate({"noise": {}, "one_of": {"among": {**MEMBERS, "speed": None}}})
    for again in (
        AugmentSettings.model_validate_json(given.model_dump_json()),
        AugmentSettings.model_validate(given.model_dump()),
        AugmentSettings.model_validate(given.model_dump(mode="json", exclude_unset=True)),
    ):
        assert again.identity() == given.identity()
        assert list(again.one_of.choices) == [f"among.{key}" for key in MEMBERS]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "augment.one_of.among: missing"),
        ({"among": {}}, "augment.one_of.among: name at least one augmentation"),
        ({"among": {"nois": {}}}, "augment.one_of.among.nois: unknown key; did you mean 'noise'?"),
        ({"among": {"noise": {"snr_db": [9, 1]}}}, "augment.one_of.among.noise.snr_db: give a range"),
        (
            {"among": {"noise": {"probability": 0.3}}},
            "noise.probability has no effect, because one_of.probability decides",
        ),
        ({"among": {"one_of": {"among": {"noise": {}}}}}, "one_of is a choice itself"),
        (
            {"among": MEMBERS, "second_probability": 2},
            "augment.one_of.second_probability: must be less",
        ),
    ],
)
def test_invalid_settings_are_refused_with_their_path(given: Any, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AugmentSettings.model_validate({"one_of": given})
    faults = faults_of(caught.value, AugmentSettings, "augment")
    assert any(message in fault for fault in faults), faults


def test_plan_of_a_choice_that_changes_nothing_keeps_durations() -> None:
    made = chain({"stretch": {}, "speed": {}}, probability=0.0)
    assert (made.speed_factors(ROWS[:200], DRAWS) == 1.0).all()
    assert (made.fastest, made.slowest) == (1.0, 1.0)
