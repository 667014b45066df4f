from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.labels import label_index, rate, read_ctc


def scores(path: list[int], labels: int = 4) -> np.ndarray:
    """Log-probabilities whose best path is `path`."""
    table = np.full((len(path), labels), np.log(0.1), dtype=np.float32)
    table[np.arange(len(path)), path] = np.log(0.7)
    return table


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ([0, 0, 0], []),
        ([1, 1, 1], [1]),
        ([1, 0, 1], [1, 1]),  # the worked case of Graves et al. 2006: a blank keeps equal neighbours apart
        ([0, 1, 1, 0, 2, 3, 3, 0], [1, 2, 3]),
        ([2], [2]),
    ],
)
def test_greedy_reading(path: list[int], read: list[int]) -> None:
    ids, first = read_ctc(scores(path), blank=0)
    assert ids.tolist() == read
    assert np.allclose(np.exp(first), 0.7)


def test_a_blank_that_is_not_first() -> None:
    assert read_ctc(scores([3, 0, 3, 0]), blank=3)[0].tolist() == [0, 0]


def test_no_frames_read_as_nothing() -> None:
    ids, first = read_ctc(np.zeros((0, 4), dtype=np.float32), blank=0)
    assert len(ids) == len(first) == 0


def test_unknown_labels_are_named_with_the_nearest() -> None:
    with pytest.raises(
        TaskError, match=r"emotion 'Kindd' is not in the label set \(Anxious, Kind\); did you mean 'Kind'"
    ):
        label_index("Kindd", ("Anxious", "Kind"), "emotion")


def test_rate_of_nothing_is_nan() -> None:
    assert rate(3, 4) == 0.75
    assert np.isnan(rate(0, 0))
