"""Greedy reading against the worked case of the paper and an independent implementation."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soritune.tasks.decoding.greedy import GreedyDecoder

LABELS = ("_", "a", "b", "c")


def scores(path: list[int], labels: int = 4) -> np.ndarray:
    """Log-probabilities whose best path is `path`."""
    table = np.full((len(path), labels), np.log(0.1), dtype=np.float32)
    table[np.arange(len(path)), path] = np.log(0.7)
    return table


@pytest.mark.parametrize(
    ("path", "read", "frames"),
    [
        ([0, 0, 0], "", []),
        ([1, 1, 1], "a", [(0, 2)]),
        ([1, 0, 1], "aa", [(0, 0), (2, 2)]),  # Graves et al. 2006: a blank keeps equal neighbours apart
        ([0, 1, 1, 0, 2, 3, 3, 0], "abc", [(1, 2), (4, 4), (5, 6)]),
        ([2], "b", [(0, 0)]),
    ],
)
def test_symbols_and_frames_of_worked_paths(
    path: list[int], read: str, frames: list[tuple[int, int]]
) -> None:
    decoded = GreedyDecoder().decode(scores(path), LABELS, blank=0)
    assert "".join(decoded.symbols) == read
    assert list(zip(decoded.first_frames.tolist(), decoded.last_frames.tolist(), strict=True)) == frames
    assert np.allclose(np.exp(decoded.log_probabilities), 0.7)


def test_blank_may_be_any_label() -> None:
    assert GreedyDecoder().decode(scores([3, 0, 3, 0]), LABELS, blank=3).symbols == ("_", "_")


def test_no_frames_give_no_symbols_and_no_confidence() -> None:
    decoded = GreedyDecoder().decode(np.zeros((0, 4), dtype=np.float32), LABELS, blank=0)
    assert (len(decoded), decoded.symbols, decoded.confidence) == (0, (), 0.0)
    assert decoded.first_frames.shape == decoded.last_frames.shape == decoded.log_probabilities.shape == (0,)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 3))
def test_equals_folding_with_groupby(path: list[int], blank: int) -> None:
    decoded = GreedyDecoder().decode(scores(path), LABELS, blank)
    runs = [list(run) for _, run in groupby(enumerate(path), key=lambda item: item[1])]
    expected = [(LABELS[run[0][1]], run[0][0], run[-1][0]) for run in runs if run[0][1] != blank]
    frames = zip(decoded.symbols, decoded.first_frames.tolist(), decoded.last_frames.tolist(), strict=True)
    assert list(frames) == expected
