from __future__ import annotations

from typing import Any

import pytest

from soritune.audio.augment.settings import AugmentSettings
from soritune.errors import RecipeError, TrainingError, UnknownNameError
from soritune.models.config import FreezeSettings
from soritune.recipe import check_recipe, load_recipe
from soritune.training.config import TrainingSettings
from soritune.training.phases import Phase, chosen_phases, next_phase, resolve_phases

AUGMENT = {
    "speed": {"factors": [0.9, 1.1], "probability": 0.5},
    "spec_augment": {"probability": 0.5, "time_masks": 3},
}


def phases(*given: dict[str, Any], **train: Any) -> tuple[Phase, ...]:
    settings = TrainingSettings.model_validate({"phases": given, **train})
    return resolve_phases(settings, AugmentSettings.model_validate(AUGMENT), FreezeSettings(layers=8))


def test_recipe_without_phases_is_one_phase() -> None:
    (only,) = phases(epochs=7)
    assert (only.settings.epochs, only.data_share, only.prefix, str(only)) == (7, 1.0, "", "the run")


def test_settings_that_a_phase_does_not_name_are_inherited() -> None:
    first, second = phases(
        {"name": "clean", "epochs": 3, "augment": {"speed": None}, "early_stopping": {"patience": 4}},
        {"learning_rates": {"heads": 1e-3}, "augment": {"spec_augment": {"probability": 1.0}}},
        epochs=9,
        learning_rates={"lora": 1e-4},
        early_stopping={"monitor": "phoneme/per", "patience": 2, "min_delta": 0.005},
        ema={"decay": 0.99},
    )
    assert first.settings.epochs == 3
    assert second.settings.epochs == 9
    assert first.settings.early_stopping is not None
    assert first.settings.early_stopping.model_dump() == {
        "monitor": "phoneme/per", "patience": 4, "min_delta": 0.005
    }  # fmt: skip
    assert first.augment.speed is None
    assert second.augment.speed is not None
    assert second.augment.spec_augment is not None
    assert (second.augment.spec_augment.probability, second.augment.spec_augment.time_masks) == (1.0, 3)
    # A mapping of rates is one value: groups of the whole run may not exist in a phase that freezes more.
    assert (first.settings.learning_rates, second.settings.learning_rates) == (
        {"lora": 1e-4},
        {"heads": 1e-3},
    )
    assert first.settings.ema is not None


def test_phase_can_switch_settings_off_and_unfreeze() -> None:
    first, second = phases(
        {"ema": None, "early_stopping": None, "freeze": {"layers": 16}, "warmup_steps": 5},
        {"freeze": {"feature_encoder": False}},
        ema={"decay": 0.9},
        early_stopping={"patience": 1},
        warmup_share=0.1,
    )
    assert (first.settings.ema, first.settings.early_stopping) == (None, None)
    assert (first.settings.warmup_steps, first.settings.warmup_share) == (5, None)
    assert (first.freeze.layers, first.freeze.feature_encoder) == (16, True)
    assert (second.freeze.layers, second.freeze.feature_encoder) == (8, False)


def test_last_phase_has_no_prefix() -> None:
    assert [phase.prefix for phase in phases({}, {}, {})] == ["phase1_", "phase2_", ""]
    assert str(phases({"name": "short"}, {})[0]) == "phase 1 of 2 (short)"


def test_phases_are_chosen_by_number_or_name_in_the_recipes_order() -> None:
    three = phases({"name": "a"}, {"name": "b"}, {"name": "c"})
    assert [p.name for p in chosen_phases(three, None)] == ["a", "b", "c"]
    assert [p.name for p in chosen_phases(three, 2)] == ["b"]
    assert [p.name for p in chosen_phases(three, ("c", "1"))] == ["a", "c"]
    with pytest.raises(UnknownNameError, match="unknown phase '4'"):
        chosen_phases(three, 4)


def test_equal_names_and_numbers_as_names_are_refused() -> None:
    with pytest.raises(ValueError, match="two phases are called 'a'"):
        phases({"name": "a"}, {"name": "a"})
    with pytest.raises(ValueError, match="a number cannot be the name of a phase"):
        phases({"name": "2"})


def number_of_next(chosen: Any, current: int | None, done: list[int], *, resume: bool) -> int | None:
    three = phases({}, {}, {})
    phase = next_phase(three, chosen_phases(three, chosen), current=current, done=done, resume=resume)
    return None if phase is None else phase.number


def test_next_phase_follows_the_finished_ones() -> None:
    assert number_of_next(None, 1, [0], resume=True) == 2
    assert number_of_next(None, None, [0], resume=True) == 2
    assert number_of_next(2, None, [0], resume=False) == 2
    assert number_of_next(3, None, [0], resume=False) == 3  # phase 2 is skipped, as requested
    assert number_of_next(None, None, [0, 1, 2], resume=True) is None
    assert number_of_next(1, None, [0], resume=True) is None


@pytest.mark.parametrize(
    ("chosen", "current", "done", "resume", "message"),
    [
        (2, 0, [], False, "phase 1 of 3 was interrupted; finish it first with --resume"),
        (1, 0, [], False, "phase 1 of 3 was interrupted; continue it with --resume"),
        (1, None, [0, 1], False, "phase 1 of 3: already trained"),
    ],
)
def test_phase_that_cannot_be_trained_next_is_refused(
    chosen: int, current: int | None, done: list[int], resume: bool, message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        number_of_next(chosen, current, done, resume=resume)


def test_digest_depends_on_the_phase_alone() -> None:
    first, second = phases({"epochs": 2}, {"epochs": 3})
    same, changed = phases({"epochs": 2}, {"epochs": 4})
    assert first.digest() == same.digest()
    assert second.digest() != changed.digest()


def test_digest_depends_on_the_order_of_augmentations_and_not_on_switched_off_ones() -> None:
    def digest(augment: dict[str, Any]) -> str:
        settings = AugmentSettings.model_validate(augment)
        return resolve_phases(TrainingSettings(), settings, FreezeSettings())[0].digest()

    assert digest({"room": {}, "noise": {}}) != digest({"noise": {}, "room": {}})
    assert digest({"room": {}, "noise": None}) == digest({"room": {}}) != digest({})


def test_phase_keeps_the_order_of_augmentations_and_appends_its_own() -> None:
    settings = TrainingSettings.model_validate(
        {"phases": [{"augment": {"telephone": {}, "microphone": {}, "speed": {"probability": 1}}}]}
    )
    (phase,) = resolve_phases(settings, AugmentSettings.model_validate(AUGMENT), FreezeSettings())
    assert list(phase.augment.members) == ["speed", "spec_augment", "telephone", "microphone"]
    assert phase.augment.speed.model_dump() == {"probability": 1.0, "factors": (0.9, 1.1)}


def test_resolved_recipe_is_the_same_when_it_is_read_again() -> None:
    """A setting that a phase does not name must stay unnamed, or its default would hide the inherited value."""
    recipe = load_recipe("child-phoneme")
    again = check_recipe("again", recipe.resolved())
    assert again.resolved() == recipe.resolved()
    first, second = (resolve_phases(r.train, r.augment, r.model.freeze) for r in (recipe, again))
    assert first == second


def test_override_reaches_a_phase_and_is_refused_if_phases_hide_it() -> None:
    recipe = load_recipe("child-phoneme", ["train.phases.2.epochs=3"])
    assert [phase.epochs for phase in recipe.train.phases] == [10, 3, 5]
    for hidden in (
        "train.epochs=3",
        "train.early_stopping.patience=1",
        "augment=null",
        "train.early_stopping=null",
    ):
        with pytest.raises(RecipeError, match="phases 1, 2, 3 set it for themselves"):
            load_recipe("child-phoneme", [hidden])
    assert (
        load_recipe("child-phoneme", ["train.early_stopping.min_delta=0.1"]).train.early_stopping is not None
    )
    assert load_recipe("child-phoneme", ["train.phases=null", "train.epochs=3"]).train.epochs == 3
    with pytest.raises(RecipeError, match="there is no entry '4'"):
        load_recipe("child-phoneme", ["train.phases.4.epochs=3"])
    with pytest.raises(RecipeError, match=r"train.phases.0.epoch: unknown key; did you mean 'epochs'"):
        load_recipe("child-phoneme", ["train.phases.1.epoch=3"])
