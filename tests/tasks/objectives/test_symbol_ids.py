from __future__ import annotations

import numpy as np
import pytest

from soritune.tasks.objectives.symbol_ids import ids_fault, padded_ids
from soritune.testing import ctc_output

SPEC = ctc_output()


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        (np.array([[1, 2]]), "it has the shape (1, 2) and type int64, expected integer label ids (n,)"),
        (np.array([1.0]), "it has the shape (1,) and type float64, expected integer label ids (n,)"),
        (np.array([1, -1]), "and not the blank, 0"),
        (np.array([1, len(SPEC.labels)]), f"label ids must be 0 … {len(SPEC.labels) - 1}"),
        (np.array([0, 1]), "and not the blank, 0"),
    ],
)
def test_faulty_ids_are_described(ids: np.ndarray, fault: str) -> None:
    text = ids_fault(SPEC, ids, blank=0)
    assert text is not None
    assert fault in text


def test_right_ids_have_no_fault() -> None:
    assert ids_fault(SPEC, np.array([1, 1, len(SPEC.labels) - 1]), blank=0) is None


def test_rows_are_padded_with_zeros_and_rows_without_a_label_are_marked() -> None:
    padded = padded_ids([np.array([3, 4]), None, np.array([5])])
    assert padded.values.tolist() == [[3, 4], [0, 0], [5, 0]]
    assert padded.lengths.tolist() == [2, 0, 1]
    assert padded.present.tolist() == [True, False, True]
    assert padded.count == 3.0


def test_batch_without_labels_has_one_column() -> None:
    assert padded_ids([None, None]).values.tolist() == [[0], [0]]
