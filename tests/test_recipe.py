from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.conftest import MUTE_DECODER

from soritune.errors import RecipeError, UnknownNameError
from soritune.recipe import check_recipe, load_recipe, recipe_names, recipe_text, set_key

GOOD = {
    "name": "r",
    "tasks": {"emotion": {"labels": ["a", "b"]}},
    "model": {"encoder": "somewhere"},
}


def faults(data: dict[str, object]) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        check_recipe("r.yaml", data)
    return caught.value.faults


def test_overrides_are_yaml_and_data_is_short_for_its_root() -> None:
    recipe = load_recipe(
        "emotion-3class",
        [
            "data=/corpus/한국",
            "train.learning_rate=1e-5",
            "train.epochs=20",
            "augment=null",
            "model.lora={rank: 4}",
            "model.freeze.layers=2",
        ],
    )
    assert recipe.data.root == "/corpus/한국"
    assert (recipe.train.learning_rate, recipe.train.epochs) == (1e-5, 20)
    assert recipe.augment.spec_augment is None and recipe.augment.speed is None
    assert recipe.model.lora is not None and recipe.model.lora.rank == 4
    assert recipe.model.freeze.layers == 2 and recipe.model.freeze.feature_encoder


def test_presets_come_before_overrides() -> None:
    recipe = load_recipe("emotion-3class", ["train.epochs=7"], presets=["little-data"])
    assert (recipe.train.learning_rate, recipe.train.epochs, recipe.batches.batch_size) == (1e-5, 7, 2)


def test_an_unknown_recipe_or_preset_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'emotion-3class'"):
        load_recipe("emotion-3clas")
    with pytest.raises(UnknownNameError, match="did you mean 'little-data'"):
        load_recipe("emotion-3class", presets=["litle-data"])
    with pytest.raises(RecipeError, match="there is no such file"):
        load_recipe("nowhere.yaml")


def test_unknown_keys_are_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(RecipeError, match=r"train\.learnign_rate: unknown key; did you mean 'learning_rate'"):
        load_recipe("emotion-3class", ["train.learnign_rate=1"])
    with pytest.raises(RecipeError, match=r"tasks\.emotion\.lables: unknown key; did you mean 'labels'"):
        load_recipe("emotion-3class", ["tasks.emotion.lables=[a, b]"])
    with pytest.raises(RecipeError, match=r"tasks: unknown task 'emotions'.*did you mean 'emotion'"):
        load_recipe("emotion-3class", ["tasks.emotions.labels=[a, b]"])


def test_any_augmentation_can_be_named_and_overridden() -> None:
    recipe = load_recipe(
        "emotion-3class",
        ["augment.noise.snr_db=[0, 10]", "augment.speed.probability=1", "augment.one_of=null"],
    )
    assert list(recipe.augment.members) == ["noise", "speed"]
    assert recipe.augment.noise.snr_db == (0.0, 10.0)
    assert recipe.augment.speed.model_dump() == {"probability": 1.0, "factors": (0.9, 1.0, 1.1)}
    again = check_recipe("again", recipe.resolved())
    assert list(again.augment.members) == ["noise", "speed"] and again.resolved() == recipe.resolved()
    for override, sentence in (
        ("augment.nois.snr_db=[0, 10]", r"augment\.nois: unknown key; did you mean 'noise'"),
        ("augment.noise.snr=[0, 10]", r"augment\.noise\.snr: unknown key; did you mean 'snr_db'"),
        (
            "augment.room.decay_s=[1, 0.2]",
            r"augment\.room\.decay_s: give a range from low to high within 0\.05",
        ),
        ("train.phases=[{augment: {rom: {}}}]", r"augment\.rom: unknown key; did you mean 'room'"),
    ):
        with pytest.raises(RecipeError, match=sentence):
            load_recipe("emotion-3class", [override])


def test_an_override_without_equals_sign_is_refused() -> None:
    with pytest.raises(RecipeError, match="override 'epochs' is not of the form key=value"):
        load_recipe("emotion-3class", ["epochs"])


def test_all_faults_come_at_once_with_their_paths() -> None:
    listed = faults(
        {
            **GOOD,
            "trian": {},
            "train": {"epochs": 0, "precision": "bf8"},
            "tasks": {"emotion": {"labels": ["a"]}},
            "model": {},
            "batches": {"batch_size": 2, "padded_seconds": 3},
        }
    )
    assert len(listed) == 6
    starts = {fault.split(":")[0] for fault in listed}
    assert starts == {
        "trian",
        "train.epochs",
        "train.precision",
        "tasks.emotion.labels",
        "model.encoder",
        "batches",
    }
    assert "did you mean 'train'" in next(fault for fault in listed if fault.startswith("trian"))


def test_a_file_that_is_not_a_recipe_is_refused(tmp_path: Path) -> None:
    for text, message in (("a: [", "not valid YAML"), ("- 1", "must be a mapping")):
        (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(RecipeError, match=message):
            load_recipe(str(tmp_path / "r.yaml"))
    (tmp_path / "r.yaml").write_bytes("name: 감정".encode("cp949"))
    with pytest.raises(RecipeError, match="cannot be read as UTF-8"):
        load_recipe(str(tmp_path / "r.yaml"))


def test_a_resolved_recipe_is_a_recipe(tmp_path: Path) -> None:
    for name in recipe_names():
        recipe = load_recipe(name)
        assert check_recipe(name, recipe.resolved()).resolved() == recipe.resolved()


def test_settings_can_be_changed_and_are_checked_again() -> None:
    recipe = load_recipe("emotion-3class")
    recipe.train.epochs = 3
    assert recipe.resolved()["train"]["epochs"] == 3
    with pytest.raises(RecipeError, match=r"^TrainingSettings: epochs: .* equal to 1 \(got 0\)$"):
        recipe.train.epochs = 0
    with pytest.raises(RecipeError, match="lerning_rate: unknown setting; did you mean 'learning_rate'"):
        recipe.train.lerning_rate = 1e-5  # type: ignore[attr-defined]
    assert recipe.train.epochs == 3


def test_a_refused_change_leaves_everything_as_it_was() -> None:
    recipe = load_recipe("emotion-3class")
    with pytest.raises(RecipeError, match="Preprocessing: max_duration_s .* is below min_duration_s"):
        recipe.preprocessing.max_duration_s = 0.01
    assert recipe.preprocessing.max_duration_s == 15.0
    with pytest.raises(RecipeError, match="either batch_size or padded_seconds"):
        recipe.batches.padded_seconds = 40
    assert (recipe.batches.batch_size, recipe.batches.padded_seconds) == (4, None)
    recipe.batches = {"padded_seconds": 40}  # type: ignore[assignment]
    assert recipe.batches.padded_seconds == 40
    with pytest.raises(RecipeError, match="Recipe: train.epochs: "):
        recipe.train = {"epochs": "many"}  # type: ignore[assignment]


def test_set_key_makes_missing_mappings() -> None:
    data: dict[str, object] = {"a": None}
    set_key(data, "a.b.c", 1)
    assert data == {"a": {"b": {"c": 1}}}


def test_another_source_drops_the_settings_of_the_first() -> None:
    recipe = load_recipe("emotion-3class", ["data.source=manifest"])
    assert recipe.data.config == {}
    assert load_recipe("emotion-3class", ["data.source=speaker-folders"]).data.config["labels"]


def test_paths_are_taken_as_text() -> None:
    recipe = load_recipe("emotion-3class", ["data=/x/corpus #2", "model.init_from=2024"])
    assert (recipe.data.root, recipe.model.init_from) == ("/x/corpus #2", "2024")


def test_a_rate_for_a_group_of_layers_can_be_given() -> None:
    assert load_recipe("emotion-3class", ["train.learning_rates.layers.0-7=1e-5"]).train.learning_rates == {
        "layers.0-7": 1e-5
    }


def test_the_new_sources_settings_survive_any_order() -> None:
    recipe = load_recipe("emotion-3class", ["data.config={fields: {id: name}}", "data.source=manifest"])
    assert recipe.data.config == {"fields": {"id": "name"}}


@pytest.mark.parametrize("value", ["5", "abc", "[1, 2]"])
def test_a_task_that_is_not_a_mapping_is_a_fault(value: str) -> None:
    with pytest.raises(RecipeError, match=r"tasks.*must be a mapping|tasks\.emotion"):
        load_recipe("emotion-3class", [f"tasks.emotion={value}"])


def test_faulty_presets_and_repeated_keys_are_faults(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    head = "tasks: {emotion: {labels: [a, b]}}\nmodel: {encoder: x}\n"
    path.write_text(head + "presets: {a: 1}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="presets: must map"):
        load_recipe(str(path), presets=["a"])
    path.write_text(head + "train: {epochs: 1}\ntrain: {epochs: 2}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="'train' is given twice"):
        load_recipe(str(path))


ALIASES = {
    "rate": "train.learning_rates.heads",
    "mixed": {"key": "train.precision", "values": {True: "auto", False: "fp32"}},
    "folder": "data.root",
    "classes": "tasks.emotion.labels",
}


def test_aliases_are_short_names_for_overrides(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "aliases": ALIASES}, sort_keys=False), encoding="utf-8")
    recipe = load_recipe(
        str(path), ["rate=1e-3", "mixed=True", "folder=/x #1", "classes=[x, y]", "train.epochs=3"]
    )
    assert recipe.train.learning_rates == {"heads": 1e-3}
    assert (recipe.train.precision, recipe.data.root, recipe.train.epochs) == ("auto", "/x #1", 3)
    assert recipe.tasks["emotion"]["labels"] == ["x", "y"]
    assert "aliases" not in recipe.resolved()
    assert load_recipe(str(path), ["mixed=False"]).train.precision == "fp32"
    # The later of two names for one key counts, as everywhere.
    assert load_recipe(str(path), ["mixed=False", "train.precision=bf16"]).train.precision == "bf16"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("raet=1", "raet: unknown key; did you mean 'rate'"),
        ("zzz=1", "zzz: unknown key; short names here: rate, mixed, folder, classes"),
        ("mixed=maybe", "mixed: is 'maybe'; give one of true, false"),
        ("mixed=[1]", "mixed: is .1.; give one of true, false"),
        ("mixd=1", "did you mean 'mixed'"),
        ("trian=1", "did you mean 'train'"),
    ],
)
def test_unknown_short_names_and_values_are_refused(tmp_path: Path, override: str, sentence: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "aliases": ALIASES}, sort_keys=False), encoding="utf-8")
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(str(path), [override])
    with pytest.raises(RecipeError, match="2 faults"):
        load_recipe(str(path), [override, "train.epochs=0"])


@pytest.mark.parametrize(
    ("aliases", "sentence"),
    [
        ({"a": "train.epocs"}, "aliases.a: train.epocs: unknown key; did you mean 'epochs'"),
        (
            {"a": "tasks.emotion.lables"},
            "aliases.a: tasks.emotion.lables: unknown key; did you mean 'labels'",
        ),
        ({"a": "tasks.phoneme.weight"}, "aliases.a: tasks.phoneme.weight: unknown key; known: emotion"),
        ({"a": "augment.noise.snr"}, "augment.noise.snr: unknown key; did you mean 'snr_db'"),
        ({"a": "augment.nois"}, "augment.nois: unknown key; did you mean 'noise'"),
        ({"a": "trian.epochs"}, "did you mean 'train'"),
        ({"train": "train.epochs"}, "aliases.train: is a key already"),
        ({"data": "data.root"}, "aliases.data: is a key already"),
        ({"a": {"kye": "train.epochs"}}, "aliases.a.kye: unknown key"),
        ([1], "aliases: must be a mapping"),
    ],
)
def test_aliases_of_unknown_keys_are_refused(tmp_path: Path, aliases: object, sentence: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "aliases": aliases}), encoding="utf-8")
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(str(path))


def test_aliases_of_a_task_that_was_replaced_are_not_offered(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "aliases": ALIASES}, sort_keys=False), encoding="utf-8")
    recipe = load_recipe(str(path), ["tasks={phoneme: {}}"])
    assert (list(recipe.tasks), list(recipe.aliases)) == (["phoneme"], ["rate", "mixed", "folder"])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["train.best={a b: loss}"], "train.best.a b: the name has invalid characters; it must match"),
        (["train.best=loss"], r"train.best: must be a list or a mapping \(got 'loss'\)"),
        (["train.keep_epochs=x"], r"train.keep_epochs: must be true or false or a whole number \(got"),
        (["gap=ah"], "tasks.mispronunciation: 'ah' is a gap, a silence or the blank"),
        (
            ["inventory=x"],
            "tasks.mispronunciation.inventory: must be 'korean' or 'arpabet' or a list",
        ),
        (["phoneme_weight=.inf"], "tasks.mispronunciation.phoneme_weight: must be a finite number"),
        (["error_weight=.nan"], "tasks.mispronunciation.error_weight: must be"),
        (
            ["phoneme_weight=0", "error_weight=0"],
            "tasks.mispronunciation.phoneme_weight and tasks.mispronunciation.error_weight are all 0, so nothing",
        ),
        (["task=error", "error_weight=0"], "tasks.mispronunciation.error_weight is 0, so nothing"),
    ],
)
def test_faults_have_the_paths_of_the_recipe(tmp_path: Path, overrides: list[str], sentence: str) -> None:
    path = tmp_path / "r.yaml"
    tasks = {"mispronunciation": {"labels": "correct-incorrect"}}
    path.write_text(yaml.safe_dump({**GOOD, "tasks": tasks}), encoding="utf-8")
    given = [key if key.startswith("train.") else f"tasks.mispronunciation.{key}" for key in overrides]
    with pytest.raises(RecipeError, match=f": {sentence}") as caught:
        load_recipe(str(path), given)
    assert len(caught.value.faults) == 1


def test_every_fault_of_a_value_of_several_kinds_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(GOOD), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path), ["train.best=[1, 2]"])
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["train.best.0", "train.best.1"]
    with pytest.raises(RecipeError, match="tasks.emotion.weight is 0, so nothing would be learnt"):
        load_recipe(str(path), ["tasks.emotion.weight=0"])


@pytest.mark.parametrize(
    ("recipe", "value", "sentence"),
    [
        ("child-phoneme", "gredy", "evaluate.decoder: unknown decoder 'gredy'; known: greedy"),
        ("child-phoneme", "{name: mute, kep: 3}", "evaluate.decoder: decoder 'mute': kep: unknown key"),
        ("child-phoneme", "{keep: 3}", "evaluate.decoder: {'keep': 3} does not name a decoder"),
        (
            "emotion-3class",
            "mute",
            "evaluate.decoder: the decoder 'mute' reads CTC outputs, but the model has no such output",
        ),
    ],
)
def test_a_decoder_that_cannot_be_used_is_a_fault(
    external_package: Callable[[str, str, str], Path], recipe: str, value: str, sentence: str
) -> None:
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)
    with pytest.raises(RecipeError, match=re.escape(sentence)):
        load_recipe(recipe, [f"evaluate.decoder={value}"])


def test_a_recipe_names_its_decoder_with_settings(
    external_package: Callable[[str, str, str], Path],
) -> None:
    external_package("soritune.tasks.decoding", "mute", MUTE_DECODER)
    assert load_recipe("child-phoneme").evaluate.decoder == "greedy"
    given = ["evaluate.decoder.name=mute", "evaluate.decoder.keep=3"]
    assert load_recipe("child-phoneme", given).evaluate.decoder == {"name": "mute", "keep": 3}


SMALL = "tasks: {emotion: {labels: [a, b]}}\nmodel: {encoder: soritune/tiny-ko}\n"


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "", "/tmp/x", "a\\\\b", "a\\e[2J"])
def test_name_that_is_not_a_folder_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f'name: "{name}"\n{SMALL}')
    with pytest.raises(RecipeError, match=r"name: .*the run's folder has this name"):
        load_recipe(str(tmp_path / "r.yaml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: " + "[" * 5000 + "]" * 5000, "nested too deep"),
        ("x: &a {b: *a}", "contains itself"),
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)),
            "aliases make more than",
        ),
    ],
)
def test_recipe_that_would_fill_the_memory_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"{SMALL}{text}\n")
    with pytest.raises(RecipeError, match=words):
        load_recipe(str(tmp_path / "r.yaml"))


def test_preset_that_phases_hide_is_refused(tmp_path: Path) -> None:
    recipe = yaml.safe_load(recipe_text("emotion-3class"))
    recipe["train"] = {"phases": [{"epochs": 1}, {"epochs": 2}]}
    recipe["presets"] = {"long": {"train.epochs": 50}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    with pytest.raises(RecipeError, match="preset long: train.epochs: phases 1, 2 set it for themselves"):
        load_recipe(str(tmp_path / "r.yaml"), presets=["long"])
