"""Targets by phone."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.objectives.objective import check_output, objective_of
from soritune.tasks.specs import OutputSpec

SPEC = OutputSpec("segment", ("[PAD]", "C", "S"), "frame", "phone_slots", options={"blank": 0, "symbols": 4})


def test_targets_keep_their_length_and_the_count_is_that_of_the_phones() -> None:
    padded = objective_of(SPEC).pad(SPEC, [np.array([1, 2, 1]), None, np.array([2])], np.array([9, 9, 9]))
    assert padded.values.tolist() == [[1, 2, 1], [0, 0, 0], [2, 0, 0]]
    assert (padded.lengths.tolist(), padded.present.tolist(), padded.count) == (
        [3, 0, 1],
        [True, False, True],
        4,
    )


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ([0, 1], "not the blank"),
        ([3], "0 … 2"),
        ([], "no phone"),
        ([[1]], "shape"),
        ([1, 1, 1], "needs 3 frames"),
    ],
)
def test_faults_of_targets(target: list[int], fault: str) -> None:
    assert fault in str(objective_of(SPEC).row_fault(SPEC, np.array(target, dtype=np.int64), 2))


def test_options_out_of_range_are_refused() -> None:
    for options in ({"blank": 3}, {"blank": True}, {"symbols": -1}):
        with pytest.raises(TaskError, match="give a whole number"):
            check_output(OutputSpec("segment", ("[PAD]", "C", "S"), "frame", "phone_slots", options=options))
