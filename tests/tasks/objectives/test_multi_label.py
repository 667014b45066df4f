from __future__ import annotations

import numpy as np
import pytest

from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import OutputSpec

EVENTS = OutputSpec("events", ("cough", "laugh"), "utterance", "multi_label")
OBJECTIVE = objective_of(EVENTS)


def test_smoothing_moves_probabilities_towards_one_half() -> None:
    padded = OBJECTIVE.pad(EVENTS, [np.array([1, 0]), None], np.array([5, 5]), label_smoothing=0.1)
    np.testing.assert_allclose(padded.values, [[0.95, 0.05], [0, 0]], rtol=1e-6)
    assert padded.count == 2


@pytest.mark.parametrize("values", [[1.1, 0.0], [-0.1, 0.0], [np.nan, 0.0]])
def test_values_outside_of_zero_to_one_are_refused(values: list[float]) -> None:
    assert "values must be in 0 … 1" in str(OBJECTIVE.row_fault(EVENTS, np.array(values), 9))


def test_label_ids_are_not_targets() -> None:
    assert "expected (2,) values" in str(OBJECTIVE.row_fault(EVENTS, np.asarray(1), 9))


def test_constant_guess_has_no_label() -> None:
    guess = OBJECTIVE.constant_guess(EVENTS)
    assert guess is not None
    ((_, output),) = guess.candidates
    assert (np.exp(output) < 1e-9).all()
    per_frame = OutputSpec("events", ("cough", "laugh"), "frame", "multi_label")
    assert OBJECTIVE.constant_guess(per_frame) is None
