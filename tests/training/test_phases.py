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


def test_a_recipe_without_phases_is_one() -> None:
    (only,) = phases(epochs=7)
    assert (only.settings.epochs, only.data_share, only.prefix, str(only)) == (7, 1.0, "", "the run")


def test_what_a_phase_does_not_name_is_inherited() -> None:
    one, two = phases(
        {"name": "clean", "epochs": 3, "augment": {"speed": None}, "early_stopping": {"patience": 4}},
        {"learning_rates": {"heads": 1e-3}, "augment": {"spec_augment": {"probability": 1.0}}},
        epochs=9,
        learning_rates={"lora": 1e-4},
        early_stopping={"monitor": "phoneme/per", "patience": 2, "min_delta": 0.005},
        ema={"decay": 0.99},
    )
    assert one.settings.epochs == 3
    assert two.settings.epochs == 9
    assert one.settings.early_stopping is not None
    assert one.settings.early_stopping.model_dump() == {
        "monitor": "phoneme/per", "patience": 4, "min_delta": 0.005
    }  # fmt: skip
    assert one.augment.speed is None
    assert two.augment.speed is not None
    assert two.augment.spec_augment is not None
    assert (two.augment.spec_augment.probability, two.augment.spec_augment.time_masks) == (1.0, 3)
    # A mapping of rates is one value: groups of the whole run may not exist in a phase that freezes more.
    assert (one.settings.learning_rates, two.settings.learning_rates) == ({"lora": 1e-4}, {"heads": 1e-3})
    assert one.settings.ema is not None


def test_a_phase_can_switch_off_and_unfreeze() -> None:
    one, two = phases(
        {"ema": None, "early_stopping": None, "freeze": {"layers": 16}, "warmup_steps": 5},
        {"freeze": {"feature_encoder": False}},
        ema={"decay": 0.9},
        early_stopping={"patience": 1},
        warmup_share=0.1,
    )
    assert (one.settings.ema, one.settings.early_stopping) == (None, None)
    assert (one.settings.warmup_steps, one.settings.warmup_share) == (5, None)
    assert (one.freeze.layers, one.freeze.feature_encoder) == (16, True)
    assert (two.freeze.layers, two.freeze.feature_encoder) == (8, False)


def test_the_last_phase_has_the_plain_names() -> None:
    assert [phase.prefix for phase in phases({}, {}, {})] == ["phase1_", "phase2_", ""]
    assert str(phases({"name": "short"}, {})[0]) == "phase 1 of 2 (short)"


def test_phases_are_chosen_by_number_or_name_in_the_recipes_order() -> None:
    three = phases({"name": "a"}, {"name": "b"}, {"name": "c"})
    assert [p.name for p in chosen_phases(three, None)] == ["a", "b", "c"]
    assert [p.name for p in chosen_phases(three, 2)] == ["b"]
    assert [p.name for p in chosen_phases(three, ("c", "1"))] == ["a", "c"]
    with pytest.raises(UnknownNameError, match="unknown phase '4'"):
        chosen_phases(three, 4)


def test_names_must_differ_and_be_no_numbers() -> None:
    with pytest.raises(ValueError, match="two phases are called 'a'"):
        phases({"name": "a"}, {"name": "a"})
    with pytest.raises(ValueError, match="a number cannot be the name of a phase"):
        phases({"name": "2"})


def go_on(chosen: Any, current: int | None, done: list[int], *, resume: bool) -> int | None:
    three = phases({}, {}, {})
    found = next_phase(three, chosen_phases(three, chosen), current=current, done=done, resume=resume)
    return None if found is None else found.number


def test_where_a_folder_is_gone_on_with() -> None:
    assert go_on(None, 1, [0], resume=True) == 2
    assert go_on(None, None, [0], resume=True) == 2
    assert go_on(2, None, [0], resume=False) == 2
    assert go_on(3, None, [0], resume=False) == 3  # leaves one out, because somebody asked for it
    assert go_on(None, None, [0, 1, 2], resume=True) is None
    assert go_on(1, None, [0], resume=True) is None


@pytest.mark.parametrize(
    ("chosen", "current", "done", "resume", "sentence"),
    [
        (2, 0, [], False, "phase 1 of 3 was interrupted; finish it first with --resume"),
        (1, 0, [], False, "phase 1 of 3 was interrupted; continue it with --resume"),
        (1, None, [0, 1], False, "phase 1 of 3: already trained"),
    ],
)
def test_what_cannot_be_gone_on_with(
    chosen: int, current: int | None, done: list[int], resume: bool, sentence: str
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        go_on(chosen, current, done, resume=resume)


def test_a_change_of_a_later_phase_leaves_an_earlier_one_alone() -> None:
    one, two = phases({"epochs": 2}, {"epochs": 3})
    same, other = phases({"epochs": 2}, {"epochs": 4})
    assert one.digest() == same.digest()
    assert two.digest() != other.digest()


def test_augmentations_in_another_order_or_switched_off_are_told_apart() -> None:
    def digest(augment: dict[str, Any]) -> str:
        settings = AugmentSettings.model_validate(augment)
        return resolve_phases(TrainingSettings(), settings, FreezeSettings())[0].digest()

    assert digest({"room": {}, "noise": {}}) != digest({"noise": {}, "room": {}})
    assert digest({"room": {}, "noise": None}) == digest({"room": {}}) != digest({})


def test_a_phase_keeps_the_order_and_adds_at_the_end() -> None:
    settings = TrainingSettings.model_validate(
        {"phases": [{"augment": {"telephone": {}, "microphone": {}, "speed": {"probability": 1}}}]}
    )
    (phase,) = resolve_phases(settings, AugmentSettings.model_validate(AUGMENT), FreezeSettings())
    assert list(phase.augment.members) == ["speed", "spec_augment", "telephone", "microphone"]
    assert phase.augment.speed.model_dump() == {"probability": 1.0, "factors": (0.9, 1.1)}


def test_a_resolved_recipe_says_the_same_when_it_is_read_again() -> None:
    """What a phase does not name must stay unnamed, or defaults would hide what it inherits."""
    recipe = load_recipe("child-phoneme")
    again = check_recipe("again", recipe.resolved())
    assert again.resolved() == recipe.resolved()
    for one, other in zip(
        *(resolve_phases(r.train, r.augment, r.model.freeze) for r in (recipe, again)), strict=True
    ):
        assert one == other


def test_overrides_reach_a_phase_and_are_refused_where_phases_hide_them() -> None:
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
