"""Slot decoding against sums over every path of small cases, and cases worked by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from soritune.assessment.alignment import Alignment, log_likelihood
from soritune.assessment.slots import decode_slots, territories

BLANK = 0
LETTERS = (1, 2, 3)


def random_output(seed: int, frames: int, labels: int = 4) -> NDArray[np.float64]:
    given = np.random.default_rng(seed).normal(size=(frames, labels)) * 2
    return np.asarray(given - np.logaddexp.reduce(given, axis=1, keepdims=True))


def read(path: tuple[int, ...]) -> list[tuple[int, int]]:
    """Label and first frame of each symbol of a path: repeats removed, then blanks."""
    return [
        (label, frame)
        for frame, label in enumerate(path)
        if label != BLANK and (frame == 0 or path[frame - 1] != label)
    ]


def last_frame(path: tuple[int, ...], first: int) -> int:
    last = first
    while last + 1 < len(path) and path[last + 1] == path[first]:
        last += 1
    return last


def brute_force(
    given: NDArray[np.float64], slots: int, windows: NDArray[np.int64] | None = None
) -> tuple[list[int], float, NDArray[np.float64]]:
    """Best labels, log-probability of the best path, and shares of labels per slot, over all paths."""
    best: tuple[float, list[int]] = (-np.inf, [])
    shares = np.zeros((slots, len(LETTERS)))
    for path in product((BLANK, *LETTERS), repeat=len(given)):
        symbols = read(path)
        if len(symbols) != slots:
            continue
        if windows is not None and any(
            first < low or last_frame(path, first) >= high
            for (_, first), (low, high) in zip(symbols, windows, strict=True)
        ):
            continue
        score = float(sum(given[frame, label] for frame, label in enumerate(path)))
        best = max(best, (score, [label for label, _ in symbols]))
        for slot, (label, _) in enumerate(symbols):
            shares[slot, LETTERS.index(label)] += np.exp(score)
    return best[1], best[0], shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("frames", "slots"), [(1, 1), (4, 2), (5, 3), (6, 3), (6, 5), (6, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_labels_and_probabilities_equal_those_over_all_paths(frames: int, slots: int, seed: int) -> None:
    given = random_output(seed, frames)
    labels, log_probability, shares = brute_force(given, slots)
    decoded = decode_slots(given, slots, LETTERS, BLANK)
    assert decoded is not None
    assert [LETTERS[letter] for letter in decoded.letters] == labels
    assert decoded.log_probability == pytest.approx(log_probability, abs=1e-9)
    np.testing.assert_allclose(decoded.probabilities, shares, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_windows_leave_only_the_paths_inside_them(seed: int) -> None:
    given = random_output(seed, 6)
    windows = np.array([[0, 3], [2, 4], [3, 6]])
    labels, log_probability, shares = brute_force(given, 3, windows)
    decoded = decode_slots(given, 3, LETTERS, BLANK, windows)
    assert decoded is not None
    assert [LETTERS[letter] for letter in decoded.letters] == labels
    assert decoded.log_probability == pytest.approx(log_probability, abs=1e-9)
    np.testing.assert_allclose(decoded.probabilities, shares, atol=1e-9)
    assert ((decoded.frames >= windows[:, 0]) & (decoded.frames < windows[:, 1])).all()


def test_shares_are_those_of_all_label_sequences_by_their_ctc_probability() -> None:
    given = random_output(7, 9)
    shares = np.zeros((4, 3))
    for sequence in product(LETTERS, repeat=4):
        try:
            probability = np.exp(log_likelihood(given, sequence, BLANK))
        except Exception:  # too few frames for its blanks
            continue
        for slot, label in enumerate(sequence):
            shares[slot, LETTERS.index(label)] += probability
    decoded = decode_slots(given, 4, LETTERS, BLANK)
    assert decoded is not None
    np.testing.assert_allclose(decoded.probabilities, shares / shares.sum(axis=1, keepdims=True), atol=1e-9)


def test_greedy_output_with_three_labels_for_four_phones_gets_four() -> None:
    # Greedy reading is "C S C": the second and third C touch, and no blank is between them.
    best = np.array([1, 0, 2, 0, 1, 1, 0])
    given = np.full((7, 4), np.log(0.02))
    given[np.arange(7), best] = np.log(0.94)
    assert [label for label, _ in read(tuple(best))] == [1, 2, 1]
    decoded = decode_slots(given, 4, LETTERS, BLANK)
    assert decoded is not None and len(decoded.letters) == 4
    assert decoded.letters[1] == 1 or decoded.letters[2] == 1  # the S is kept


def test_no_path_is_none() -> None:
    given = random_output(0, 3)
    assert decode_slots(given, 4, LETTERS, BLANK) is None
    assert decode_slots(given, 0, LETTERS, BLANK) is None
    assert decode_slots(given, 2, (1,), BLANK, np.array([[0, 1], [0, 1]])) is None
    # Two equal letters need a blank between them: three frames are just enough, two are not.
    assert decode_slots(given, 2, (1,), BLANK) is not None
    assert decode_slots(given[:2], 2, (1,), BLANK) is None


def test_territories_share_the_blanks_in_the_middle() -> None:
    path = Alignment(np.array([2, 5, 12]), np.array([3, 5, 13]), 0.0)
    assert territories(path, 20).tolist() == [[0, 4], [4, 9], [9, 20]]
    assert territories(path, 20, reach=2).tolist() == [[0, 4], [4, 8], [10, 16]]
