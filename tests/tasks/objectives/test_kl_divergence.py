from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.objectives.objective import check_output, objective_of
from soritune.tasks.specs import OutputSpec

SOFT = OutputSpec("soft", ("a", "b"), "frame", "kl_divergence")
OBJECTIVE = objective_of(SOFT)


def test_probabilities_of_half_precision_are_scaled_to_one_and_never_smoothed() -> None:
    teacher = np.array([[0.3337, 0.6667], [1.0, 0.0]], dtype=np.float16)
    assert OBJECTIVE.row_fault(SOFT, teacher, 4) is None
    padded = OBJECTIVE.pad(SOFT, [teacher], np.array([4]), label_smoothing=0.5)
    np.testing.assert_allclose(padded.values.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_allclose(padded.values[0, :, 0], [0.33357, 0.33357, 1, 1], atol=1e-4)
    assert padded.count == 4


@pytest.mark.parametrize(
    "teacher",
    [[[0.5, 0.4]], [[-0.5, 1.5]], [[-0.7, -0.7]], [[0.5, 0.5], [1.0, 0.1]], [[np.nan, 1.0]]],
)
def test_targets_that_are_not_distributions_are_refused(teacher: list[list[float]]) -> None:
    assert "must sum to 1" in str(OBJECTIVE.row_fault(SOFT, np.array(teacher), 9))


def test_every_frame_needs_a_teacher() -> None:
    assert OBJECTIVE.row_fault(SOFT, np.array([0, 1]), 9) is None
    assert "label ids must be 0 … 1" in str(OBJECTIVE.row_fault(SOFT, np.array([0, -1]), 9))


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), "2", True])
def test_invalid_temperatures_are_refused(temperature: object) -> None:
    spec = OutputSpec("soft", ("a", "b"), "frame", "kl_divergence", options={"temperature": temperature})
    with pytest.raises(TaskError, match="'soft' has temperature"):
        check_output(spec)
