from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.objectives.objective import check_output, objective_of
from soritune.tasks.specs import OutputSpec
from soritune.testing import class_output

TONE = OutputSpec("tone", ("low", "high"), "frame", "cross_entropy", options={"class_weights": [1.0, 3.0]})


def test_id_is_the_mass_of_one_label() -> None:
    spec = class_output()
    by_id, by_mass = (
        objective_of(spec).pad(spec, [target], np.array([5]))
        for target in (np.asarray(2), np.array([0.0, 0.0, 1.0]))
    )
    assert by_id.values.tolist() == by_mass.values.tolist() == [[0, 0, 1]]
    assert by_id.lengths.tolist() == [0]
    assert objective_of(spec).row_fault(spec, np.asarray(2), 0) is None
    assert "label ids must be 0 … 2, got -1" in str(objective_of(spec).row_fault(spec, np.asarray(-1), 9))


def test_smoothing_keeps_the_mass_and_weights_make_the_count() -> None:
    """A frame of low: 0.9 and 0.1 of the mass, weighted 0.9 + 0.3; one of high: 0.1 + 2.7. One has no label."""
    padded = objective_of(TONE).pad(TONE, [np.array([0, -1, 1])], np.array([3]), label_smoothing=0.2)
    np.testing.assert_allclose(padded.values[0], [[0.9, 0.1], [0, 0], [0.1, 0.9]], rtol=1e-6)
    assert padded.count == pytest.approx(1.2 + 2.8)


def test_frames_without_a_label_are_accepted() -> None:
    assert objective_of(TONE).row_fault(TONE, np.array([-1, 0]), 4) is None
    assert objective_of(TONE).row_fault(TONE, np.array([0, 1]), 0) == "tone needs 1 frames, there are 0"


@pytest.mark.parametrize(
    "weights",
    [
        [1.0],
        [1.0, -1.0],
        [1.0, float("nan")],
        3.0,
        [0, 0.0],
        ["1", "2"],
        [1, None],
        [True, True],
        True,
        {"low": 1},
    ],
)
def test_invalid_class_weights_are_refused(weights: object) -> None:
    spec = OutputSpec("tone", ("low", "high"), "frame", "cross_entropy", options={"class_weights": weights})
    with pytest.raises(TaskError, match="class weights of output 'tone'"):
        check_output(spec)


def test_constant_guess_has_a_candidate_per_label() -> None:
    guess = objective_of(class_output()).constant_guess(class_output())
    assert guess is not None
    assert [(int(output.argmax()), description[:10]) for description, output in guess.candidates] == [
        (0, "always 'a'"),
        (1, "always 'b'"),
        (2, "always 'c'"),
    ]
    assert objective_of(TONE).constant_guess(TONE) is None
