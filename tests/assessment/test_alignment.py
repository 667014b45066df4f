"""Alignment against all paths, one by one."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from soritune.assessment.alignment import frames_needed, log_likelihood, occupancy, viterbi
from soritune.errors import TaskError


def collapsed(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """The sequence of a path: repeats merged, then blanks removed."""
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def paths_of(
    log_probabilities: NDArray[np.float64], ids: list[int], blank: int
) -> list[tuple[float, tuple[int, ...]]]:
    """Log-probability and labels of every path of a sequence."""
    frames, labels = log_probabilities.shape
    return [
        (float(sum(log_probabilities[t, label] for t, label in enumerate(path))), path)
        for path in itertools.product(range(labels), repeat=frames)
        if collapsed(path, blank) == tuple(ids)
    ]


def drawn(frames: int, labels: int, seed: int) -> NDArray[np.float64]:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, labels))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


CASES = [
    # frames, labels, blank, sequence
    (5, 3, 0, [1, 2]),
    (5, 3, 2, [0, 1]),  # the blank is the last label
    (6, 3, 1, [0, 0]),  # a repeated label needs a blank in between
    (7, 3, 0, [1, 1, 2]),
    (6, 4, 3, [2, 2, 2]),  # 5 of 6 frames are needed
    (4, 3, 0, []),
    (3, 4, 0, [1, 2, 3]),  # one frame each
    (5, 3, 0, [2]),
]


@pytest.mark.parametrize(("frames", "labels", "blank", "ids"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_all_paths(frames: int, labels: int, blank: int, ids: list[int], seed: int) -> None:
    given = drawn(frames, labels, seed)
    paths = paths_of(given, ids, blank)
    total = np.logaddexp.reduce([score for score, _ in paths])

    assert log_likelihood(given, ids, blank) == pytest.approx(total)
    every = occupancy(given, ids, blank)
    assert every.log_likelihood == pytest.approx(total)

    best_score, best = max(paths)
    alignment = viterbi(given, ids, blank)
    assert alignment.log_probability == pytest.approx(best_score)
    runs = [
        (label, [t for t, _ in group])
        for label, group in itertools.groupby(enumerate(best), lambda pair: pair[1])
        if label != blank
    ]
    assert [int(frame) for frame in alignment.first_frames] == [frames[0] for _, frames in runs]
    assert [int(frame) for frame in alignment.last_frames] == [frames[-1] for _, frames in runs]


@pytest.mark.parametrize(("frames", "labels", "blank", "ids"), CASES)
def test_occupancy_equals_the_share_of_paths(frames: int, labels: int, blank: int, ids: list[int]) -> None:
    given = drawn(frames, labels, 5)
    paths = paths_of(given, ids, blank)
    total = np.logaddexp.reduce([score for score, _ in paths])
    expected = np.zeros((frames, len(ids)))
    for score, path in paths:
        position = -1
        for t, label in enumerate(path):
            if label != blank:
                position += t == 0 or path[t - 1] != label
                expected[t, position] += np.exp(score - total)
    np.testing.assert_allclose(occupancy(given, ids, blank).symbols, expected, atol=1e-12)


def test_frames_needed() -> None:
    assert frames_needed([]) == 0
    assert frames_needed([1, 2, 1]) == 3
    assert frames_needed([1, 1, 1]) == 5


def test_too_few_frames_are_reported_in_one_sentence() -> None:
    with pytest.raises(
        TaskError, match=r"has 2 frames and the text needs at least 3; it is too short"
    ) as error:
        viterbi(drawn(2, 3, 0), [1, 1], 0)
    assert error.value.kind == "alignment-too-short"
    with pytest.raises(TaskError, match="has 0 frames"):
        viterbi(np.zeros((0, 3)), [1], 0)


@pytest.mark.parametrize(("ids", "blank"), [([3], 0), ([-1], 0), ([0], 0), ([2], 2)])
def test_labels_that_cannot_be_aligned_are_refused(ids: list[int], blank: int) -> None:
    with pytest.raises(TaskError, match="cannot be aligned"):
        viterbi(drawn(4, 3, 0), ids, blank)


def test_impossible_label_has_probability_zero() -> None:
    given = drawn(4, 3, 0)
    given[:, 1] = -np.inf
    assert log_likelihood(given, [1], 0) == -np.inf
    assert not occupancy(given, [1], 0).symbols.any()


def test_long_improbable_sequence_does_not_underflow() -> None:
    """1,500 frames at a probability of 1e-4 each are far below the smallest float."""
    given = np.full((1500, 3), np.log(1e-4))
    given[:, 0] = np.log(1 - 2e-4)
    ids = [1, 2] * 300
    result = occupancy(given, ids, 0)
    assert np.isfinite(result.log_likelihood)
    assert (result.symbols.sum(axis=0) >= 1 - 1e-9).all()


def test_memory_does_not_grow_with_frames_times_states() -> None:
    """2,000 frames and 1,201 states are 19 MB as float64; only the steps of the best path are kept, in bytes."""
    frames, symbols = 2000, 600
    rng = np.random.default_rng(0)
    given = np.log(rng.dirichlet(np.ones(20), frames)).astype(np.float32)
    ids = rng.integers(1, 20, symbols)
    for work, most in ((log_likelihood, 1e6), (viterbi, 4e6)):
        tracemalloc.start()
        try:
            work(given, ids, 0)
            assert tracemalloc.get_traced_memory()[1] < most
        finally:
            tracemalloc.stop()
