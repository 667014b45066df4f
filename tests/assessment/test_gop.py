"""Goodness of pronunciation against its definition: every changed sequence summed over all of its paths."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.assessment.test_alignment import drawn, paths_of

from soritune.assessment.alignment import log_likelihood, occupancy, viterbi
from soritune.assessment.gop import score_slots
from soritune.errors import TaskError


def summed(given: NDArray[np.float64], ids: list[int], blank: int) -> float:
    """Over all paths, one by one."""
    return float(np.logaddexp.reduce([score for score, _ in paths_of(given, ids, blank)] or [-np.inf]))


CASES = [
    (5, 4, 0, [1, 2]),
    (6, 3, 2, [0, 1, 0]),
    (6, 4, 3, [1, 1]),
    (6, 3, 1, [0, 2, 2]),
    (5, 3, 0, [2]),
    (3, 4, 0, [1, 2, 3]),
]


@pytest.mark.parametrize(("frames", "labels", "blank", "ids"), CASES)
@pytest.mark.parametrize("seed", range(2))
def test_equal_to_all_paths_of_all_changed_sequences(
    frames: int, labels: int, blank: int, ids: list[int], seed: int
) -> None:
    given = drawn(frames, labels, seed)
    candidates = [label for label in range(labels) if label != blank]
    scores = score_slots(given, ids, blank, candidates, context=None)
    total = summed(given, ids, blank)
    for slot in range(len(ids)):
        assert scores.expected[slot] == pytest.approx(total)
        without = summed(given, ids[:slot] + ids[slot + 1 :], blank)
        assert scores.deletions[slot] == pytest.approx(without)
        replaced = {q: summed(given, [*ids[:slot], q, *ids[slot + 1 :]], blank) for q in candidates}
        for q, expected in replaced.items():
            assert scores.substitutions[slot, q] == pytest.approx(expected)
        assert scores.substitutions[slot, blank] == -np.inf
        denominator = np.logaddexp.reduce([without, *replaced.values()])
        assert scores.goodness(ids)[slot] == pytest.approx(total - denominator)
        assert scores.probabilities()[slot].sum() == pytest.approx(1)
        assert scores.ratios[slot, -1] == pytest.approx(total - without)
    for gap in range(len(ids) + 1):
        for q in candidates:
            beside = {*ids[max(0, gap - 1) : gap + 1]}
            if q in beside:
                assert scores.insertions[gap, q] == -np.inf
            else:
                expected = summed(given, [*ids[:gap], q, *ids[gap:]], blank) - total
                assert scores.insertions[gap, q] == pytest.approx(expected)


def test_occupancy_is_that_of_the_whole_sequence() -> None:
    given = drawn(9, 4, 3)
    ids = [1, 2, 2, 3]
    scores = score_slots(given, ids, 0, [1, 2, 3], context=None)
    np.testing.assert_allclose(scores.occupancy, occupancy(given, ids, 0).symbols.sum(axis=0))
    np.testing.assert_allclose(
        scores.goodness(ids, per_frame=True), scores.goodness(ids) / np.maximum(scores.occupancy, 1)
    )


def test_restriction_removes_competitors() -> None:
    given = drawn(6, 5, 1)
    ids = [1, 2]
    scores = score_slots(given, ids, 0, [1, 2, 3, 4], context=None)
    allowed = np.zeros((2, 5), dtype=bool)
    allowed[0, [1, 3]] = allowed[1, [2, 4]] = True
    expected = scores.expected[0] - np.logaddexp.reduce(
        [scores.expected[0], scores.substitutions[0, 3], scores.deletions[0]]
    )
    assert scores.goodness(ids, allowed)[0] == pytest.approx(expected)
    assert (scores.goodness(ids, allowed) >= scores.goodness(ids)).all()


def peaky(ids: list[int], labels: int, gap: int = 3) -> NDArray[np.float64]:
    """A recogniser that is sure: each symbol in one frame, blanks between."""
    given = np.full((len(ids) * (gap + 1), labels), 1e-3)
    given[:, 0] = 1.0
    for position, label in enumerate(ids):
        given[position * (gap + 1) + gap // 2] = 1e-3
        given[position * (gap + 1) + gap // 2, label] = 1.0
    return np.asarray(np.log(given / given.sum(axis=1, keepdims=True)))


def test_window_of_eight_symbols_equals_the_whole_sequence() -> None:
    spoken = [int(label) for label in np.random.default_rng(0).integers(1, 8, 60)]
    expected = list(spoken)
    expected[30] = spoken[30] % 7 + 1  # another phone was spoken
    given = peaky(spoken, 8)
    labels = list(range(1, 8))
    whole = score_slots(given, expected, 0, labels, context=None).goodness(expected)
    windowed = score_slots(given, expected, 0, labels).goodness(expected)
    np.testing.assert_allclose(windowed, whole, atol=0.02)
    assert windowed.argmin() == 30
    assert windowed[30] < -3 < windowed[29]
    assert windowed[31] > -3


def test_blocks_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = [int(label) for label in np.random.default_rng(1).integers(1, 8, 30)]
    given = peaky(spoken, 8)
    at_once = score_slots(given, spoken, 0, [1, 2, 3])
    monkeypatch.setattr("soritune.assessment.gop._BLOCK_FRAMES", 100)
    in_blocks = score_slots(given, spoken, 0, [1, 2, 3])
    np.testing.assert_allclose(in_blocks.substitutions, at_once.substitutions)
    np.testing.assert_allclose(in_blocks.insertions, at_once.insertions)


def test_chosen_slots_alone() -> None:
    given, ids = drawn(8, 4, 2), [1, 2, 3]
    every = score_slots(given, ids, 0, [1, 2, 3])
    some = score_slots(given, ids, 0, [1, 2, 3], slots=[2, 0])
    np.testing.assert_allclose(some.substitutions, every.substitutions[[2, 0]])
    np.testing.assert_allclose(some.insertions, every.insertions)


def test_given_alignment_is_used_for_windows() -> None:
    spoken = [1, 2, 3, 1, 2, 3, 1, 2]
    given = peaky(spoken, 4)
    path = viterbi(given, spoken, 0)
    np.testing.assert_allclose(
        score_slots(given, spoken, 0, [1, 2, 3], context=2, alignment=path).expected,
        score_slots(given, spoken, 0, [1, 2, 3], context=2).expected,
    )


def test_window_is_scored_as_the_clip_that_it_covers() -> None:
    spoken = [1, 2, 3, 1, 2, 3, 1, 2]
    given = peaky(spoken, 4)
    scores = score_slots(given, spoken, 0, [1, 2, 3], context=1)
    # Symbols 3, 4, 5; four frames each, with the windows cut in the middle of the three blanks between them.
    assert scores.expected[4] == pytest.approx(log_likelihood(given[3 * 4 : 6 * 4], spoken[3:6], 0), abs=0.02)


def test_too_short_recording_is_reported() -> None:
    with pytest.raises(TaskError, match="too short"):
        score_slots(drawn(2, 4, 0), [1, 1], 0, [1, 2])
