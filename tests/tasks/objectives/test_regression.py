from __future__ import annotations

import numpy as np

from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec

AGE = OutputSpec("age", ("years", "height"), "utterance", "regression")
PITCH = OutputSpec("pitch", ("semitones",), "frame", "regression")


def test_numbers_are_counted_and_not_smoothed() -> None:
    rows = [np.array([7.0, 120.0]), None]
    padded = objective_of(AGE).pad(AGE, rows, np.array([5, 5]), label_smoothing=0.5)
    assert padded.values.tolist() == [[7.0, 120.0], [0.0, 0.0]]
    assert padded.count == 2
    curve = objective_of(PITCH).pad(PITCH, [np.array([[1.0], [2.0]]), None], np.array([3, 5]))
    assert curve.values[..., 0].tolist() == [[1, 2, 2], [0, 0, 0]]
    assert curve.count == 3


def test_numbers_must_be_finite() -> None:
    assert "values must be finite" in str(objective_of(AGE).row_fault(AGE, np.array([7.0, np.inf]), 9))
    # One label per frame still needs its axis: (n,) would be label ids elsewhere.
    assert "expected (n, 1) values" in str(objective_of(PITCH).row_fault(PITCH, np.array([1.0, 2.0]), 9))
