"""The figures of a line on the terminal: two or three, with names that people know."""

from __future__ import annotations

import math

import pytest

from soritune.tasks.headline import common_name, headline
from soritune.tasks.task import make_task

PHONES = make_task("phoneme", {"inventory": "korean"}, "")
EMOTION = make_task("emotion", {"labels": ["a", "b"]}, "")


def test_one_task_has_its_loss_and_its_primary_rate() -> None:
    values = {"loss": 1.4131, "loss/phoneme": 1.4131, "phoneme/per": 0.2829, "phoneme/cer_pron": 0.5812}
    assert headline([PHONES], values) == "validation loss 1.41, phone error rate 28.3 %"


def test_several_tasks_name_theirs() -> None:
    values = {"loss": 2.0, "phoneme/per": 0.1, "emotion/ua": 0.75, "emotion/wa": 0.8}
    assert headline([PHONES, EMOTION], values) == (
        "validation loss 2, phoneme: phone error rate 10.0 %, emotion: mean recall 75.0 %"
    )


def test_best_values_of_different_epochs_state_them() -> None:
    values = {"loss": 0.966, "emotion/ua": 0.725}
    assert headline([EMOTION], values, {"loss": 6.0, "emotion/ua": 14.5}) == (
        "validation loss 0.966 (epoch 6), mean recall 72.5 % (epoch 14.5)"
    )


@pytest.mark.parametrize("missing", [{}, {"loss": math.nan, "phoneme/per": math.inf}])
def test_unknown_values_are_left_out(missing: dict[str, float]) -> None:
    assert headline([PHONES], missing) == ""


def test_rate_without_a_description_has_its_own_name() -> None:
    assert common_name(PHONES, "other") == "other"
