from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from soritune.errors import TrainingError
from soritune.training.untrained import GradientCheck, LabelCheck


def test_output_without_a_label_is_refused_once_every_row_has_come() -> None:
    check = LabelCheck(["phoneme", "emotion", "age"], epochs_for_all_rows=2)
    check.add_step([3.0, 0.0, 0.0])
    check.end_epoch()  # rows are still missing
    check.add_step([2.0, 0.0, 0.5])
    with pytest.raises(TrainingError, match="no training row had a usable label for emotion though each has"):
        check.end_epoch()


def test_label_in_any_step_is_enough() -> None:
    check = LabelCheck(["phoneme", "emotion"], epochs_for_all_rows=1)
    check.add_step([3.0, 0.0])
    check.add_step([0.0, 1.0])
    check.end_epoch()
    check.end_epoch()
    assert check.counts == [3.0, 1.0]


def gradient_check(watched_steps: int, silent: list[str]) -> GradientCheck:
    stepper: Any = SimpleNamespace(watched_steps=watched_steps, silent_weights=lambda: silent)
    return GradientCheck(stepper, total_steps=20)


@pytest.mark.parametrize(
    ("watched_steps", "phase_step", "due"),
    [
        (7, 7, False),  # 8 steps are watched
        (8, 8, True),
        (1, 20, False),  # an adapter's first factor has no gradient in step 1
        (3, 20, True),  # the phase ends, and three steps were watched
        (2, 20, False),  # an adapter may have no gradient in two
    ],
)
def test_gradients_are_checked_after_enough_steps(watched_steps: int, phase_step: int, due: bool) -> None:
    assert gradient_check(watched_steps, []).is_due(phase_step) is due


def test_gradients_are_checked_once() -> None:
    check = gradient_check(8, [])
    check.refuse_silent_weights()
    assert not check.is_due(8)


def test_silent_weights_are_refused() -> None:
    with pytest.raises(
        TrainingError,
        match="^2 trainable tensors had no gradient in the first 8 steps, beginning with a.bias;",
    ):
        gradient_check(8, ["a.bias", "b.bias"]).refuse_silent_weights()


def test_output_whose_labels_are_left_out_by_chance_is_not_checked() -> None:
    check = LabelCheck(["emotion", "emotion_text"], epochs_for_all_rows=1, drawn={"emotion_text"})
    check.add_step([3.0, 0.0])
    check.end_epoch()
    check = LabelCheck(["emotion", "emotion_text"], epochs_for_all_rows=1, drawn={"emotion_text"})
    with pytest.raises(TrainingError, match="no training row had a usable label for emotion though"):
        check.end_epoch()
