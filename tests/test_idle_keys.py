"""Keys of a recipe that were given and change nothing are reported; defaults and keys that act are not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml

from soritune.idle_keys import leaves, value_at
from soritune.recipe import load_recipe, recipe_names

PHONES = "name: p\ntasks: {phoneme: {}}\nmodel: {encoder: x}\n"


def warnings(
    caplog: pytest.LogCaptureFixture, recipe: str, *overrides: str, presets: tuple[str, ...] = ()
) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        load_recipe(recipe, overrides, presets=presets)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("name", recipe_names())
def test_built_in_recipe_alone_is_silent(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings(caplog, name) == []


@pytest.mark.parametrize(
    ("recipe", "overrides", "expected"),
    [
        ("child-phoneme", ["split.seed=3"], "split.seed has no effect while split.given=split"),
        (
            "child-phoneme",
            ["split.by=speaker", "split.stratify=age"],
            "split.by and split.stratify have no effect",
        ),
        (
            "child-phoneme",
            ["split.ratios={train: 0.7, val: 0.2, test: 0.1}"],
            "split.ratios has no effect while",
        ),
        (
            "emotion-3class",
            ["split.by=random", "split.stratify=[age]"],
            "split.stratify has no effect in a random split",
        ),
        ("quickstart", ["model.pooling=attentive"], "model.pooling has no effect because no task"),
        (
            "quickstart",
            ["batches.label_smoothing=0.1"],
            "batches.label_smoothing has no effect because no output",
        ),
        (
            "quickstart",
            ["model.init_from=a", "model.encoder=b"],
            "model.encoder has no effect with model.init_from=a",
        ),
        (
            "quickstart",
            ["batches.order=ascending", "batches.first_epoch_ascending=true"],
            "batches.first_epoch_ascending has no effect with batches.order=ascending",
        ),
        (
            "emotion-3class",
            ["train.warmup_steps=50"],
            "train.warmup_steps has no effect with train.warmup_share=0.1",
        ),
        (
            "quickstart",
            ["train.schedule=one_cycle", "train.warmup_share=0.2"],
            "train.warmup_share has no effect with",
        ),
        (
            "quickstart",
            ["evaluate.calibrate=true"],
            "evaluate.calibrate has no effect because no task has an output with one label per utterance",
        ),
        (
            "l2-multitask",
            ["task=phoneme", "error_weight=2"],
            "tasks.mispronunciation.error_weight has no effect with",
        ),
        (
            "quickstart",
            ["batches.encoder_states={copies: 3}", "augment=null"],
            "batches.encoder_states.copies has no effect because nothing is augmented",
        ),
        (
            "quickstart",
            ["batches.encoder_states={}", "model.layerdrop=0.1"],
            "model.layerdrop has no effect with batches.encoder_states",
        ),
        (
            "quickstart",
            ["tasks.phoneme={source: phones, boundary: phrase}"],
            "tasks.phoneme.boundary has no effect with tasks.phoneme.source=phones",
        ),
        (
            "quickstart",
            ["train.epochs=2", "train.epochs=3"],
            "train.epochs=2 has no effect, because train.epochs is",
        ),
    ],
)
def test_given_key_without_effect_is_reported(
    recipe: str, overrides: list[str], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    (message,) = warnings(caplog, recipe, *overrides)
    assert message.startswith(expected)


@pytest.mark.parametrize(
    ("recipe", "overrides"),
    [
        ("child-phoneme", ["split.given=null", "split.seed=3", "split.stratify=age"]),
        (
            "child-phoneme",
            ["split.ratios={train: 0.9, val: 0.1, test: 0}"],
        ),  # the given split needs no test part
        ("emotion-3class", ["evaluate.calibrate=true"]),
        ("quickstart", ["evaluate.calibrate=false"]),
        ("quickstart", ["batches.encoder_states={copies: 3}", "augment.speed={}"]),
        ("emotion-3class", ["train.warmup_share=null", "train.warmup_steps=50"]),
        ("emotion-3class", ["model.pooling=attentive", "batches.label_smoothing=0.2", "split.seed=1"]),
        ("quickstart", ["batches.label_smoothing=0", "model.projector_size=null"]),
        ("l2-multitask", ["task=both", "error_weight=2", "model.encoder=a"]),
        ("quickstart", ["train.epochs=2", "train.epochs=2"]),
    ],
)
def test_key_that_acts_or_is_off_is_not_reported(
    recipe: str, overrides: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(caplog, recipe, *overrides) == []


def test_recipe_file_counts_as_given_and_its_defaults_do_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(PHONES + "split: {given: part, seed: 7}\n")
    (message,) = warnings(caplog, str(file))
    assert message.startswith("split.seed has no effect while split.given=part")
    file.write_text(yaml.safe_dump(load_recipe(str(file), ["split.seed=0"]).resolved()))
    assert warnings(caplog, str(file)) == []  # every setting is in the file, with its default


def test_preset_keys_of_an_own_file_that_change_nothing_are_one_line(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        f"{PHONES}train: {{epochs: 3, learning_rate: 0.1}}\npresets: {{a: {{train.epochs: 3}}}}\n"
    )
    (message,) = warnings(caplog, str(file), presets=("a",))
    assert message == "preset a: train.epochs=3 changes nothing, because the recipe has the same value"


@pytest.mark.parametrize(
    ("recipe", "preset"),
    [(name, preset) for name in recipe_names() for preset in load_recipe(name).presets],
)
def test_built_in_presets_are_silent(recipe: str, preset: str, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings(caplog, recipe, presets=(preset,)) == []


def test_augmentation_that_never_happens_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    (message,) = warnings(
        caplog, "emotion-3class", "augment.speed.probability=0", "augment.speed.factors=[0.8, 1.2]"
    )
    assert message == (
        "augment.speed has no effect with augment.speed.probability=0; augment.speed=null leaves it out"
    )
    assert warnings(caplog, "emotion-3class", "augment.speed=null") == []


def test_frozen_layers_of_a_frozen_encoder_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    (message,) = warnings(caplog, "emotion-3class", "model.freeze.encoder=true", "model.freeze.layers=2")
    assert message == "model.freeze.layers has no effect with model.freeze.encoder=true"
    assert warnings(caplog, "emotion-3class", "model.freeze.layers=2") == []


def test_nested_keys() -> None:
    data = {"a": {"b": 1, "c": {}}, "d": None}
    assert list(leaves(data)) == ["a.b", "a.c", "d"]
    assert [value_at(data, key) for key in ("a.b", "a.x", "d.e")] == [1, None, None]
