from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from soritune.training.config import OVER_ALL_PHASES, PhaseSettings, TrainingSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"phases": [{"name": "a"}, {"name": "a"}]},
            "two phases are called 'a'; names of phases must differ",
        ),
        ({"phases": [{"name": "2"}]}, "a number cannot be the name of a phase"),
        ({"keep_epochs": 0}, "give true, false, or how many of the newest epochs to keep"),
        ({"best": {"a/b": "loss"}}, "should match pattern"),
        ({"best": {"": "loss"}}, "should match pattern"),
        ({"learning_rate": float("inf")}, "finite number"),
        ({"learning_rates": {"lora": -1.0}}, "greater than or equal to 0"),
        ({"betas": [0.9, 1.0]}, "less than 1"),
        ({"ema": {"decay": 1.0}}, "less than 1"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingSettings.model_validate(settings)


@pytest.mark.parametrize("keep", [True, False, 1, 7])
def test_epochs_are_kept_all_none_or_the_newest(keep: bool | int) -> None:
    assert TrainingSettings.model_validate({"keep_epochs": keep}).keep_epochs is keep


def test_null_means_no_phases() -> None:
    assert TrainingSettings.model_validate({"phases": None}).phases == ()


def test_phase_is_stored_with_the_settings_that_were_named() -> None:
    phase = PhaseSettings.model_validate(
        {"epochs": 10, "augment": {"speed": None}, "early_stopping": {"patience": 5}}
    )
    assert phase.model_dump(mode="json") == {
        "epochs": 10,
        "augment": {"speed": None},
        "early_stopping": {"patience": 5},
    }


def test_phase_has_the_defaults_of_the_whole_run() -> None:
    """A setting that a phase names without `train` naming it must not change its meaning."""
    shared = OVER_ALL_PHASES - {"augment", "freeze"}
    assert shared < set(TrainingSettings.model_fields)
    for name in shared:
        assert PhaseSettings.model_fields[name].default == TrainingSettings.model_fields[name].default, name
        assert (
            PhaseSettings.model_fields[name].default_factory
            == TrainingSettings.model_fields[name].default_factory
        )
