from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soritune.training.batches.config import BatchSettings
from soritune.training.batches.plan import plan_epoch, plan_evaluation


def corpus(count: int, seed: int = 0) -> np.ndarray:
    """Log-normal durations of 0.5–15 s with a mean near 7 s, as read-speech corpora have."""
    return np.clip(np.random.default_rng(seed).lognormal(1.85, 0.5, count), 0.5, 15.0)


@given(
    count=st.integers(1, 400),
    seconds=st.floats(5, 200),
    per_step=st.integers(1, 5),
    order=st.sampled_from(["random", "ascending", "descending"]),
    epoch=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_every_row_comes_once_within_the_budget_in_whole_steps(
    count: int, seconds: float, per_step: int, order: str, epoch: int
) -> None:
    durations = corpus(count)
    rows = np.arange(count) * 3 + 1
    batches = BatchSettings(padded_seconds=seconds, micro_batches_per_step=per_step, order=order)  # type: ignore[arg-type]
    plan = plan_epoch(rows, durations, batches, seed=1, epoch=epoch)
    assert sorted(plan.rows.tolist()) == rows.tolist()
    assert plan.num_micro_batches == plan.num_steps * per_step
    by_row = dict(zip(rows.tolist(), durations.tolist(), strict=True))
    sizes = []
    for index in range(plan.num_micro_batches):
        micro = plan.micro_batch(index)
        sizes.append(len(micro))
        if len(micro) > 1:
            assert len(micro) * max(by_row[int(row)] for row in micro) <= seconds + 1e-6
    # Only the last step has empty micro-batches, so no process has more steps than another.
    assert all(sizes[:-per_step]) and sizes[-per_step] > 0


def test_order_depends_on_seed_phase_and_epoch_alone() -> None:
    durations, rows = corpus(300), np.arange(300)
    batches = BatchSettings(padded_seconds=40, micro_batches_per_step=4)

    def order(**of: int) -> list[int]:
        return plan_epoch(rows, durations, batches, **({"seed": 1} | of)).rows.tolist()

    assert order() == order()
    assert len({tuple(order()), tuple(order(epoch=1)), tuple(order(seed=2)), tuple(order(phase=1))}) == 4


def test_fixed_number_of_utterances_fills_all_batches_but_the_last() -> None:
    plan = plan_epoch(np.arange(22), corpus(22), BatchSettings(batch_size=4), seed=0)
    assert sorted((len(plan.micro_batch(i)) for i in range(plan.num_micro_batches)), reverse=True) == [
        4,
        4,
        4,
        4,
        4,
        2,
    ]


def test_padding_of_a_large_corpus_is_below_two_per_cent() -> None:
    plan = plan_epoch(np.arange(200_000), corpus(200_000), BatchSettings(padded_seconds=160), seed=0)
    assert plan.padding_share < 0.02
    # The same corpus in random batches of 16, for comparison with the figure above.
    shuffled = np.random.default_rng(0).permutation(corpus(200_000)).reshape(-1, 16)
    assert 1 - shuffled.sum() / (shuffled.max(1) * 16).sum() > 0.4


@pytest.mark.parametrize("count", [40, 90, 180, 440, 1000])
@pytest.mark.parametrize("seconds", [16, 40, 80, 240])
def test_padding_of_a_corpus_of_minutes_is_at_most_five_per_cent(count: int, seconds: float) -> None:
    durations, batches = corpus(count), BatchSettings(padded_seconds=seconds)
    plans = [plan_epoch(np.arange(count), durations, batches, seed=0, epoch=epoch) for epoch in range(5)]
    assert max(plan.padding_share for plan in plans) <= 0.05
    padded = sum(
        len(micro) * durations[micro].max() for micro in map(plans[0].micro_batch, range(plans[0].num_steps))
    )
    assert plans[0].padding_share == pytest.approx(1 - durations.sum() / padded)


def test_batches_of_a_fixed_size_hold_neighbours_in_length() -> None:
    durations = corpus(400)
    plan = plan_epoch(np.arange(400), durations, BatchSettings(batch_size=16), seed=0)
    in_order = np.sort(durations).reshape(-1, 16)
    least = 1 - durations.sum() / (in_order.max(1) * 16).sum()
    assert least <= plan.padding_share < least + 0.03


def test_batches_of_a_corpus_of_minutes_differ_from_epoch_to_epoch() -> None:
    durations, batches = corpus(90), BatchSettings(padded_seconds=80)
    plans = [plan_epoch(np.arange(90), durations, batches, seed=0, epoch=epoch) for epoch in range(6)]
    sets = [{frozenset(plan.micro_batch(i).tolist()) for i in range(plan.num_steps)} for plan in plans]
    repeated = [len(first & second) / len(first) for first, second in pairwise(sets)]
    assert np.mean(repeated) < 0.5


def test_micro_batches_of_a_step_have_different_durations() -> None:
    durations = corpus(5000)
    plan = plan_epoch(
        np.arange(5000), durations, BatchSettings(padded_seconds=60, micro_batches_per_step=4), seed=0
    )
    spans = []
    for step in range(plan.num_steps - 1):
        longest = [durations[plan.micro_batch(step * 4 + j)].max() for j in range(4)]
        spans.append(max(longest) - min(longest))
    assert min(spans) > 1.0


def test_first_epoch_is_ascending_and_the_next_random() -> None:
    durations = corpus(200)
    batches = BatchSettings(batch_size=4, first_epoch_ascending=True)
    longest = []
    for epoch in (0, 1):
        plan = plan_epoch(np.arange(200), durations, batches, seed=0, epoch=epoch)
        longest.append([durations[plan.micro_batch(i)].max() for i in range(plan.num_micro_batches)])
    assert longest[0] == sorted(longest[0])
    assert longest[1] != sorted(longest[1])


def test_plan_of_no_rows_is_empty() -> None:
    plan = plan_epoch(np.zeros(0, dtype=np.int64), np.zeros(0), BatchSettings(padded_seconds=40), seed=0)
    assert (plan.num_steps, plan.padding_share) == (0, 0.0)


def test_evaluation_begins_with_the_longest_rows() -> None:
    durations = corpus(100)
    plan = plan_evaluation(np.arange(100), durations, padded_seconds=60)
    assert durations[plan.micro_batch(0)].max() == durations.max()


@pytest.mark.slow
def test_epoch_of_1771800_rows_is_planned() -> None:
    durations = corpus(1_771_800)
    plan = plan_epoch(np.arange(len(durations)), durations, BatchSettings(padded_seconds=160), seed=0)
    assert plan.padding_share < 0.02


@given(
    count=st.integers(1, 300),
    shards=st.integers(1, 12),
    window=st.integers(1, 5),
    per_step=st.integers(1, 4),
    epoch=st.integers(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_windows_of_shards_follow_each_other_and_every_row_comes_once(
    count: int, shards: int, window: int, per_step: int, epoch: int
) -> None:
    durations = corpus(count)
    shard_of = np.sort(np.random.default_rng(count).integers(0, shards, count))
    batches = BatchSettings(
        padded_seconds=30, micro_batches_per_step=per_step, order="shard_window", window_shards=window
    )
    plan = plan_epoch(np.arange(count), durations, batches, seed=4, epoch=epoch, shards=shard_of)
    assert sorted(plan.rows.tolist()) == list(range(count))
    assert plan.num_micro_batches == plan.num_steps * per_step
    for index in range(plan.num_micro_batches):
        micro = plan.micro_batch(index)
        assert len(micro) <= 1 or len(micro) * durations[micro].max() <= 30 + 1e-6
    assert all(len(plan.micro_batch(index)) for index in range(plan.num_micro_batches - per_step + 1))
    # In reading order the shards of a window are left before those of the next one are begun.
    present = len(np.unique(shard_of))
    first, last = {}, {}
    for position, shard in enumerate(shard_of[plan.rows].tolist()):
        first.setdefault(shard, position)
        last[shard] = position
    in_order = sorted(first, key=first.__getitem__)
    windows = np.split(np.array(in_order), range(window, present, window))
    for before, after in pairwise(windows):
        assert max(last[shard] for shard in before.tolist()) < min(first[shard] for shard in after.tolist())


def test_windows_are_shuffled_inside_and_among_each_other() -> None:
    durations, rows = corpus(4000), np.arange(4000)
    shard_of = rows // 200
    batches = BatchSettings(padded_seconds=60, order="shard_window", window_shards=4)

    def plan(**of: int) -> list[int]:
        made = plan_epoch(rows, durations, batches, shards=shard_of, **({"seed": 1} | of))
        assert made.padding_share <= 0.05
        return made.rows.tolist()

    assert plan() == plan()
    assert len({tuple(plan()), tuple(plan(epoch=1)), tuple(plan(seed=2)), tuple(plan(phase=1))}) == 4
    windows = [{shard_of[row] for row in plan(epoch=epoch)[:800]} for epoch in range(4)]
    assert all(len(window) == 4 for window in windows)
    assert len({frozenset(window) for window in windows}) == 4
    # A tenth of a window already has rows of all its shards.
    assert len({shard_of[row] for row in plan()[:80]}) == 4


def test_rows_of_a_window_lie_in_few_files() -> None:
    """What the order is for: the files that are read around any moment are those of two windows at most."""
    rows = np.arange(2000)
    shard_of = rows // 100
    plain = plan_epoch(rows, corpus(2000), BatchSettings(batch_size=8), seed=0)
    windowed = plan_epoch(
        rows,
        corpus(2000),
        BatchSettings(batch_size=8, order="shard_window", window_shards=2),
        seed=0,
        shards=shard_of,
    )
    assert all(len(set(shard_of[windowed.rows[start : start + 100]])) <= 4 for start in range(0, 1900, 50))
    assert len(set(shard_of[plain.rows[:100]])) > 10


def test_first_epoch_ascending_contradicts_windows() -> None:
    with pytest.raises(ValueError, match="first_epoch_ascending reads all shards in turn"):
        BatchSettings(batch_size=4, order="shard_window", first_epoch_ascending=True)
