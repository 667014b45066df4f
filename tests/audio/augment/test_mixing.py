"""Mixing of micro-batches: the draws, the checks, and the runs whose targets cannot be mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.mixing import MixableBatch, Mixing, mixed_where, partners, refusals
from soritune.draws import Draws
from soritune.errors import AugmentationError
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.mixable import unmixable_parts
from soritune.tasks.specs import OutputSpec
from soritune.testing import class_output, ctc_output


class Blend(Mixing):
    """MixUp (Zhang et al. 2018) with a fixed share: each utterance with its neighbour."""

    share: float = 0.25
    fault: str = ""

    def mix(self, batch: MixableBatch, rng: np.random.Generator) -> MixableBatch:
        shift = int(rng.integers(1, len(batch.num_samples)))

        def blended(values: np.ndarray) -> np.ndarray:
            return (1 - self.share) * values + self.share * np.roll(values, shift, axis=0)

        mixed = MixableBatch(
            blended(batch.waveform),
            np.maximum(batch.num_samples, np.roll(batch.num_samples, shift)),
            {name: blended(target) for name, target in batch.targets.items()},
        )
        changes: dict[str, dict[str, Any]] = {
            "": {},
            "shape": {"waveform": mixed.waveform[:, 1:]},
            "output": {"targets": {}},
            "NaN": {"targets": {"emotion": np.full((3, 2), np.nan)}},
            "length": {"num_samples": mixed.num_samples + 1000},
        }
        return replace(mixed, **changes[self.fault])


BATCH = MixableBatch(
    np.array([[1, 1, 1, 1], [2, 2, 0, 0], [4, 4, 4, 0]], np.float32),
    np.array([4, 2, 3]),
    {"emotion": np.array([[1, 0], [0, 1], [0, 0]], np.float32)},
)


def mixed(micro_batch: int, draws: Draws, **settings: object) -> MixableBatch:
    return Chain({"blend": Blend.model_validate(settings)}).mix(BATCH, draws, micro_batch)


def test_arrays_and_targets_are_mixed_alike_and_the_given_batch_is_unchanged() -> None:
    for micro_batch in range(5):
        result = mixed(micro_batch, Draws(0, 0, 0), probability=1)
        assert result.waveform[0, 0] in (1.25, 1.75)  # with the second or the third
        expected = [0.75, 0.25] if result.waveform[0, 0] == 1.25 else [0.75, 0.0]
        assert result.targets["emotion"][0].tolist() == expected
        assert result.num_samples[0] == 4
    assert BATCH.waveform[0].tolist() == [1, 1, 1, 1]


def test_draws_depend_only_on_seed_phase_epoch_and_micro_batch() -> None:
    def pattern(draws: Draws) -> list[float]:
        return [float(mixed(number, draws, probability=0.5).waveform[0, 0]) for number in range(40)]

    first = pattern(Draws(1, 0, 0))
    assert first == pattern(Draws(1, 0, 0))
    assert all(pattern(draws) != first for draws in (Draws(2, 0, 0), Draws(1, 1, 0), Draws(1, 0, 1)))


def test_share_of_mixed_batches_is_the_probability() -> None:
    def count(probability: float) -> int:
        made = (mixed(number, Draws(0, 0, 0), probability=probability) for number in range(1000))
        return sum(batch.waveform[0, 0] != 1 for batch in made)

    assert (count(0.0), count(1.0)) == (0, 1000)
    assert abs(count(0.3) - 300) <= 37  # 99 % of binomial counts


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("shape", "augment.blend returned a micro-batch with other outputs or shapes"),
        ("output", "other outputs"),
        ("NaN", "NaN or infinite"),
        ("length", "numbers of samples that exceed the micro-batch"),
    ],
)
def test_batches_that_break_the_contract_are_refused(fault: str, message: str) -> None:
    with pytest.raises(AugmentationError, match=message):
        mixed(0, Draws(0, 0, 0), probability=1, fault=fault)


def parts(outputs: list[OutputSpec]) -> list[str]:
    class Toy(EmotionTask):
        @property
        def outputs(self) -> tuple[OutputSpec, ...]:
            return tuple(outputs)

    return unmixable_parts([Toy(EmotionConfig(labels=("a", "b")))])


def test_only_outputs_with_soft_targets_can_be_mixed() -> None:
    assert refusals(["blend"], parts([class_output()])) == []
    assert refusals([], parts([ctc_output()])) == []
    (message,) = refusals(["blend"], parts([class_output(), ctc_output()]))
    assert message == (
        "augment.blend: mixes several utterances, but the output 'phoneme' is trained by ctc per "
        "frame, whose targets cannot be mixed; switch it off (augment.blend=null) or leave that task out"
    )


def test_partners_have_the_same_outputs_and_are_never_the_utterance_itself() -> None:
    present = {
        "emotion": np.array([True, True, False, True, False, True, True, False]),
        "tone": np.array([False, False, True, False, False, True, False, True]),
    }
    batch = MixableBatch(np.zeros((8, 4), np.float32), np.full(8, 4), {}, present)
    seen: list[set[int]] = [set() for _ in range(8)]
    for seed in range(200):
        partner = partners(batch, np.random.default_rng(seed))
        assert sorted(partner) == list(range(8))
        for row, other in enumerate(partner):
            seen[row].add(int(other))
    assert [seen[row] for row in (0, 1, 3, 6)] == [{1, 3, 6}, {0, 3, 6}, {0, 1, 6}, {0, 1, 3}]
    assert (seen[2], seen[7]) == ({7}, {2})
    assert (seen[4], seen[5]) == ({4}, {5})  # without a label, and the only one with both


def test_rows_that_are_not_chosen_keep_everything() -> None:
    changed = replace(BATCH, waveform=-BATCH.waveform, present={})
    result = mixed_where(np.array([True, False, True]), BATCH, changed)
    assert result.waveform[:, 0].tolist() == [-1, 2, -4]
