from __future__ import annotations

import re

import numpy as np
import pytest

from soritune.tasks.objectives.dense import targets_of_frames
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec

TONE = OutputSpec("tone", ("low", "high", "none"), "frame", "cross_entropy")


@pytest.mark.parametrize(
    ("targets", "frames", "expected"),
    [
        # Centres of 3 frames: 1/6, 1/2, 5/6. Two targets meet at 1/2, which belongs to the second.
        (2, 3, [0, 1, 1]),
        # Centres 1/4 and 3/4 of three targets [0, 1/3), [1/3, 2/3), [2/3, 1).
        (3, 2, [0, 2]),
        # Centres 1/8, 3/8, 5/8, 7/8 of five targets of 1/5 each.
        (5, 4, [0, 1, 3, 4]),
        (4, 4, [0, 1, 2, 3]),
        (1, 3, [0, 0, 0]),
        (6, 1, [3]),
        (3, 0, []),
    ],
)
def test_frame_takes_the_target_that_covers_its_centre(
    targets: int, frames: int, expected: list[int]
) -> None:
    assert targets_of_frames(targets, frames).tolist() == expected


@pytest.mark.parametrize("speed", [0.5, 0.9, 1.1, 2.0])
def test_boundaries_keep_their_position_at_any_speed(speed: float) -> None:
    """60 % low, 40 % high: of however many frames there are, so many are low, to a frame."""
    ids = np.array([0] * 60 + [1] * 40)
    frames = round(50 / speed)
    padded = objective_of(TONE).pad(TONE, [ids], np.array([frames]))
    low, high, none = padded.values[0].sum(axis=0)
    assert (low + high, none) == (frames, 0)
    assert low == pytest.approx(0.6 * frames, abs=1)
    # Low comes first, then high.
    assert (np.diff(padded.values[0].argmax(axis=1)) >= 0).all()


def test_rows_are_padded_to_the_longest() -> None:
    rows = [np.array([0, 1]), None, np.array([[0.0, 0.5, 0.5]])]
    padded = objective_of(TONE).pad(TONE, rows, np.array([4, 9, 2]))
    low, high, soft, nothing = [1, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 0]
    assert padded.values.tolist() == [
        [low, low, high, high],
        [nothing] * 4,
        [soft, soft, nothing, nothing],
    ]
    assert padded.lengths.tolist() == [4, 0, 2]
    assert padded.present.tolist() == [True, False, True]
    assert padded.count == 6
    assert padded.values.dtype == np.float32 and padded.lengths.dtype == np.int64


def test_empty_batches_have_a_valid_shape() -> None:
    assert objective_of(TONE).pad(TONE, [], np.zeros(0, np.int64)).values.shape == (0, 1, 3)
    assert objective_of(TONE).pad(TONE, [None], np.array([5])).values.shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (np.zeros((4, 2)), r"shape \(4, 2\), expected \(n, 3\) values or \(n,\) label ids"),
        (np.zeros(3), "label ids must be integers, got float64"),
        (np.zeros(0, np.int64), "it has no entry"),
        (np.zeros((0, 3)), "it has no entry"),
        (np.array([["a", "b", "c"]]), "values must be numbers"),
        (np.array([0, 3]), "label ids must be 0 … 2, got 0 … 3"),
        (np.array([0, -2]), "label ids must be 0 … 2, got -2 … 0"),
        (np.array([[0.5, -0.1, 0.6]]), "finite and not below 0"),
        (np.array([[0.5, np.nan, 0.6]]), "finite and not below 0"),
    ],
)
def test_invalid_targets_are_refused_with_the_reason(target: np.ndarray, words: str) -> None:
    fault = str(objective_of(TONE).row_fault(TONE, target, 10))
    assert fault.startswith("its tone target cannot be used: ")
    assert re.search(words, fault)
