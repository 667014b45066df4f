"""The resolved numbers of every recipe equal those that the reproduced systems publish."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soritune.corpus.reading.expressions import Expression
from soritune.errors import RecipeError
from soritune.recipe import check_recipe, load_recipe, recipe_names, recipe_text
from soritune.training.batches.plan import plan_epoch

PUBLISHED: dict[str, dict[str, Any]] = {
    "emotion-3class": {
        "model.encoder": "kresnik/wav2vec2-large-xlsr-korean",
        "data.source": "speaker-folders",
        "data.config.labels": {"Anxious": [[21, 30]], "Kind": [[31, 40]], "Dry": [[91, 100]]},
        "split.ratios": {"train": 0.8, "val": 0.1, "test": 0.1},
        "split.by": ["speaker", "script"],
        "tasks.emotion.labels": ["Anxious", "Kind", "Dry"],
        "tasks.emotion.class_weights": "balanced",
        "train.learning_rate": 2e-5,
        "train.epochs": 10,
        "train.weight_decay": 0.05,
        "model.dropout": 0.3,
        "batches.label_smoothing": 0.1,
        "train.precision": "auto",
        "preprocessing.sample_rate_hz": 16000,
        "augment.one_of.probability": 0.5,
        "augment.one_of.second_probability": 0.2,
        "augment.one_of.among.stretch.factor": [0.8, 1.2],
        "augment.one_of.among.pitch.semitones": [-2.0, 2.0],
        "augment.one_of.among.gain.factor": [0.5, 1.5],
    },
    "emotion-3class --preset little-data": {
        "train.learning_rate": 1e-5,
        "train.epochs": 20,
        "batches.batch_size": 2,
        "train.weight_decay": 0.1,
    },
    "emotion-3class --preset enough-data": {
        "train.learning_rate": 2e-5,
        "train.epochs": 15,
        "batches.batch_size": 8,
        "train.weight_decay": 0.05,
    },
    "emotion-3class --preset overfitting": {
        "train.learning_rate": 1e-5,
        "train.early_stopping.patience": 3,
        "batches.batch_size": 2,
        "train.weight_decay": 0.1,
    },
    "emotion-3class --preset unstable": {
        "train.learning_rate": 5e-6,
        "train.epochs": 20,
        "batches.batch_size": 2,
        "train.weight_decay": 0.05,
    },
    "emotion-3class --preset gpu-8gb": {
        "batches.batch_size": 2,
        "batches.micro_batches_per_step": 2,
        "model.gradient_checkpointing": True,
    },
    "emotion-4class": {
        "model.encoder": "kresnik/wav2vec2-large-xlsr-korean",
        "data.source": "speaker-folders",
        "data.config.labels": {
            "Anxious": [[21, 30]],
            "Kind": [[31, 40]],
            "Dry": [[91, 100]],
            "Others": [[1, 20], [41, 90], [101, 160]],
        },
        "split.by": ["speaker", "script"],
        "tasks.emotion.labels": ["Anxious", "Kind", "Dry", "Others"],
        "tasks.emotion.class_weights": "balanced",
        "preprocessing.max_duration_s": 15.0,
        "preprocessing.sample_rate_hz": 16000,
        "train.learning_rate": 3e-5,
        "train.epochs": 5,
        "train.warmup_steps": 1000,
        "batches.batch_size": 4,
        "batches.micro_batches_per_step": 4,
        "train.early_stopping": {"monitor": "emotion/ua", "patience": 5, "min_delta": 0.001},
        "train.precision": "auto",
    },
    "emotion-4class --preset gpu-24gb": {"batches.batch_size": 8, "batches.micro_batches_per_step": 2},
    "emotion-4class --preset gpu-12gb": {"batches.batch_size": 4, "batches.micro_batches_per_step": 4},
    "emotion-4class --preset gpu-8gb": {"batches.batch_size": 2, "batches.micro_batches_per_step": 8},
    "emotion-4class --preset little-data": {
        "train.learning_rate": 1e-5,
        "train.epochs": 20,
        "batches.batch_size": 4,
        "batches.micro_batches_per_step": 1,
        "train.weight_decay": 0.1,
    },
    "emotion-4class --preset overfitting": {
        "train.learning_rate": 1e-5,
        "train.early_stopping.patience": 3,
        "batches.batch_size": 2,
        "batches.micro_batches_per_step": 1,
        "train.weight_decay": 0.1,
    },
    "emotion-4class --preset unstable": {
        "train.learning_rate": 5e-6,
        "train.epochs": 20,
        "batches.batch_size": 2,
        "batches.micro_batches_per_step": 1,
        "train.weight_decay": 0.05,
    },
    "emotion-4class-text": {
        "model.encoder": "kresnik/wav2vec2-large-xlsr-korean",
        "data.source": "speaker-folders",
        "data.config.labels": {
            "Anxious": [[21, 30]],
            "Kind": [[31, 40]],
            "Dry": [[91, 100]],
            "Others": [[1, 20], [41, 90], [101, 160]],
        },
        "split.by": ["speaker", "script"],
        "tasks.emotion.labels": ["Anxious", "Kind", "Dry", "Others"],
        "preprocessing.max_duration_s": 15.0,
        "train.learning_rate": 3e-5,
        "train.epochs": 5,
        "train.warmup_steps": 1000,
        "batches.batch_size": 4,
        "batches.micro_batches_per_step": 3,  # for its three processes
    },
    "child-phoneme": {
        "data.source": "json-pairs",
        "split.given": "split",
        "model.encoder": "facebook/wav2vec2-xls-r-300m",
        "model.architecture.num_hidden_layers": 24,
        "model.architecture.hidden_size": 1024,
        "model.architecture.num_attention_heads": 16,
        "model.architecture.intermediate_size": 4096,
        "model.lora.rank": 16,
        "model.lora.alpha": 32.0,
        "model.lora.dropout": 0.1,
        "model.lora.targets": ["q_proj", "k_proj", "v_proj"],
        "model.lora.layers": [8, 23],
        "model.freeze.layers": 8,
        "model.freeze.feature_encoder": True,
        "split.by": ["speaker"],
        "split.stratify": ["age", "snr_db", "duration_s"],
        "train.schedule": "linear",
        "train.keep_newest": 2,
        "train.ema": {"decay": 0.999},
        "train.early_stopping.monitor": "loss",
        "train.early_stopping.min_delta": 0.005,
        "train.phases": [
            {
                "name": "short",
                "data_share": 0.2,
                "epochs": 10,
                "learning_rate": 5e-4,
                "warmup_steps": 500,
                "early_stopping": {"patience": 4},
                "augment": {"spec_augment": {"probability": 0.5}, "speed": None},
            },
            {
                "name": "most",
                "data_share": 0.6,
                "epochs": 8,
                "learning_rate": 3e-4,
                "warmup_steps": 1000,
                "early_stopping": {"patience": 3},
                "augment": {"spec_augment": {"probability": 1.0}},
            },
            {
                "name": "whole",
                "data_share": 1.0,
                "epochs": 5,
                "learning_rate": 1e-4,
                "warmup_steps": 500,
                "early_stopping": {"patience": 3},
                "augment": {"spec_augment": {"probability": 0.75}},
            },
        ],
        "augment.spec_augment.time_masks": 2,
        "augment.spec_augment.time_width_frames": 30,
        "augment.spec_augment.feature_masks": 2,
        "augment.spec_augment.feature_width_share": 15 / 80,
        "augment.speed.factors": [0.9, 1.0, 1.1],
        "augment.speed.probability": 0.5,
    },
    "child-phoneme --preset r32": {"model.lora.rank": 32, "model.lora.alpha": 64.0},
    "child-phoneme --preset published": {
        "model.lora.layers": None,
        "model.freeze.layers": 0,
        "model.freeze.heads": True,
    },
    "child-phoneme-full": {
        "data.source": "json-pairs",
        "split.given": "split",
        "model.encoder": "facebook/wav2vec2-xls-r-300m",
        "model.lora.rank": 16,
        "model.lora.alpha": 32.0,
        "model.lora.dropout": 0.1,
        "model.lora.targets": ["q_proj", "k_proj", "v_proj"],
        "model.lora.layers": [8, 23],
        "model.freeze.layers": 8,
        "model.freeze.feature_encoder": True,
        "batches.batch_size": 8,
        "batches.micro_batches_per_step": 2,
        "train.epochs": 3,
        "train.learning_rate": 5e-4,
        "train.warmup_steps": 2000,
        "train.schedule": "linear",
        "train.evaluate_every_steps": 500,
        "train.save_every_steps": 2000,
        "train.validation_sample": 20000,
        "train.keep_newest": 2,
        "train.early_stopping": {"monitor": "loss", "patience": 15, "min_delta": 0.005},
    },
    "child-phoneme-full --preset r32": {
        "model.lora.rank": 32,
        "model.lora.alpha": 64.0,
        "train.learning_rate": 5e-5,
        "train.evaluate_every_steps": 2000,
    },
    "child-phoneme-full --preset from-pilot": {
        "train.learning_rate": 1e-4,
        "train.epochs": 3,
        "model.lora.rank": 16,
    },
    "l2-multitask": {
        "model.encoder": "facebook/wav2vec2-base",
        "model.architecture.feat_extract_norm": "group",
        "data.source": "l2-json",
        "split.given": "split",
        "preprocessing.normalize": True,
        "tasks.mispronunciation.task": "both",
        "tasks.mispronunciation.labels": "correct-incorrect",
        "tasks.mispronunciation.phoneme_weight": 1.0,
        "tasks.mispronunciation.error_weight": 1.0,
        "train.learning_rates": {"heads": 3e-4, "encoder": 1e-5},
        "batches.batch_size": 4,
        "batches.order": "ascending",
        "batches.micro_batches_per_step": 1,
        "train.epochs": 30,
        "train.precision": "fp32",
        "train.weight_decay": 0.01,
        "augment.spec_augment.probability": 1.0,
        # `mdd_f1` is kept beside the published two.
        "train.best": {
            "phoneme_per": "mispronunciation/per",
            "error_acc": "mispronunciation/error_acc",
            "mdd_f1": "mispronunciation/mdd_f1",
        },
        "train.keep_epochs": True,
    },
    "l2-multitask --preset low-memory": {
        "batches.batch_size": 2,
        "batches.micro_batches_per_step": 4,
        "train.precision": "auto",
    },
    "l2-multitask --preset slow": {"batches.num_workers": 0, "batches.order": "ascending"},
    "l2-multitask --preset overfitting": {
        "train.weight_decay": 0.01,
        "augment.spec_augment.probability": 1.0,
    },
    "l2-multitask --preset performance": {"batches.micro_batches_per_step": 4, "train.precision": "auto"},
    "l2-multitask --preset four-letters": {
        "tasks.mispronunciation.labels": "correct-substituted-deleted-inserted"
    },
}


def value_at(data: Any, path: str) -> Any:
    for part in path.split("."):
        data = data[part]
    return data


@pytest.mark.parametrize("command", sorted(PUBLISHED))
def test_recipe_has_the_published_numbers(command: str) -> None:
    name, _, preset = command.partition(" --preset ")
    resolved = load_recipe(name, presets=[preset] if preset else []).resolved()
    values = {path: value_at(resolved, path) for path in PUBLISHED[command]}
    assert values == PUBLISHED[command]


@pytest.mark.parametrize("name", ["child-phoneme", "child-phoneme-full"])
def test_phoneme_recipes_have_45_labels(name: str) -> None:
    assert len(load_recipe(name).make_tasks()[0].outputs[0].labels) == 45


def test_pilot_and_full_recipe_have_the_same_model_and_corpus() -> None:
    """Otherwise the full recipe could not continue with the pilot's adapters."""
    pilot, full = load_recipe("child-phoneme"), load_recipe("child-phoneme-full")
    assert pilot.model == full.model
    assert pilot.data == full.data
    assert pilot.tasks == full.tasks
    assert pilot.split == full.split


@pytest.mark.slow
def test_full_recipe_takes_the_published_steps_and_the_last_half_step_of_each_epoch() -> None:
    """332,211 is 3 × 110,737, which is 1,771,800 / 16 = 110,737.5 without the last half step.

    The recipe keeps this half step in each epoch.
    """
    recipe = load_recipe("child-phoneme-full")
    durations_s = np.random.default_rng(0).lognormal(1.8, 0.5, 1_771_800)
    plan = plan_epoch(np.arange(1_771_800), durations_s, recipe.batches, seed=0)
    assert plan.num_steps * recipe.train.epochs == 332_211 + 3
    assert (
        plan.num_micro_batches - 1 == 1_771_800 // 8
    )  # and one of the 110,738 steps has an empty micro-batch
    assert len(plan.rows) == 1_771_800


BASIC = ["gaussian_noise", "stretch", "pitch", "gain"]
ADVANCED = ["spec_augment", "mixup", "cutmix", "random_erase"]


@pytest.mark.parametrize(
    ("name", "preset", "members"),
    [
        ("emotion-3class", None, BASIC + ADVANCED),
        ("emotion-3class", "basic-augmentation", BASIC),
        ("emotion-4class", "all-augmentation", BASIC + ADVANCED),
        ("emotion-4class", "basic-augmentation", BASIC),
    ],
)
def test_emotion_recipes_have_the_published_augmentations(
    name: str, preset: str | None, members: list[str]
) -> None:
    """The eight by name; both recipes have the same settings of each, and a resolved recipe is read unchanged."""
    recipe = load_recipe(name, presets=[preset] if preset else [])
    choice = recipe.augment.one_of
    assert list(choice.among.members) == members
    assert (choice.probability, choice.second_probability) == (0.5, 0.2)
    whole = load_recipe("emotion-3class").augment.one_of.among.members
    assert all(member == whole[key] for key, member in choice.among.members.items())
    assert check_recipe("again", recipe.resolved()).resolved() == recipe.resolved()


def test_emotion_4class_has_no_augmentation_by_default_and_both_can_be_off() -> None:
    assert not load_recipe("emotion-4class").augment.members
    assert not load_recipe("emotion-3class", ["augment=null"]).augment.members
    without = load_recipe(
        "emotion-3class", ["augment.one_of.among.mixup=null", "augment.one_of.among.cutmix=null"]
    )
    assert len(without.augment.one_of.among.members) == 6


def test_mixing_is_refused_for_texts_with_the_reason() -> None:
    for key in ("mixup", "cutmix"):
        with pytest.raises(RecipeError, match="the input 'text' of a row cannot be mixed with another row's"):
            load_recipe("emotion-4class-text", [f"augment.{key}={{}}"])


@pytest.mark.parametrize("key", ["mixup", "one_of.among.cutmix"])
def test_mixing_is_refused_for_phones_with_the_reason(key: str) -> None:
    message = f"augment.{key}: mixes several utterances, but the output 'phoneme' is trained by ctc"
    with pytest.raises(RecipeError, match=message):
        load_recipe("quickstart", [f"augment.{key}={{}}"])


def test_memory_presets_keep_the_clips_per_step() -> None:
    """The same number of clips per step gives the same training."""
    for name in ("emotion-3class", "emotion-4class", "emotion-4class-text"):
        default = load_recipe(name).batches
        for preset in ("gpu-24gb", "gpu-12gb", "gpu-8gb"):
            if preset in load_recipe(name).presets:
                changed = load_recipe(name, presets=[preset]).batches
                assert default.batch_size and changed.batch_size
                assert (
                    default.batch_size * default.micro_batches_per_step
                    == changed.batch_size * changed.micro_batches_per_step
                )


def test_four_classes_cover_the_160_files_of_a_person_once() -> None:
    ranges = load_recipe("emotion-4class").data.config["labels"].values()
    numbers = [n for spans in ranges for low, high in spans for n in range(low, high + 1)]
    assert sorted(numbers) == list(range(1, 161))


PUBLISHERS = (
    ({"발화정보": {"stt": "가"}, "녹음자정보": {"recorderId": "K1", "age": "7", "gender": "여"}}, "K1"),
    ({"발화정보": {"stt": "가"}, "화자정보": {"화자ID": "K1", "age": "7", "gender": "여"}}, "K1"),
    (
        {"Transcription": {"LabelText": "가"}, "Speaker": {"SpeakerName": "K1", "Age": 7, "Gender": "여"}},
        "K1",
    ),
    ({"text": "가", "speaker": {"id": "K1", "age": 7, "gender": "여"}}, "K1"),
    ({"text": "가", "speaker_id": "K1", "age": 7, "gender": "여"}, "K1"),
    ({"sentence": "가", "speaker": "K1", "age": 7, "sex": "여"}, "K1"),
)


@pytest.mark.parametrize(("label", "speaker"), PUBLISHERS)
def test_field_expressions_of_the_child_recipes_match_several_publishers(
    label: dict[str, Any], speaker: str
) -> None:
    fields = load_recipe("child-phoneme").data.config["fields"]
    matches = {name: Expression(text).search(label) for name, text in fields.items()}
    assert {name: str(value) for name, value in matches.items() if value is not None} == {
        "text": "가",
        "speaker": speaker,
        "age": "7",
        "gender": "여",
    }


@pytest.mark.parametrize("name", recipe_names())
def test_header_states_purpose_launch_and_faults(name: str) -> None:
    header = [line for line in recipe_text(name).splitlines() if line.startswith("#")]
    text = "\n".join(header)
    assert len(header) >= 4 and "Launch" in text
    if name in {key.split()[0] for key in PUBLISHED}:
        for word in ("Reproduces", "Override", "Faults", "Presets"):
            assert word in text, f"{name}: header lacks {word}"


def test_table_contains_every_published_system() -> None:
    unpublished = {"bundled-encoder", "demo", "ko-base", "quickstart"}
    reproduced = {name for name in recipe_names() if name not in unpublished}
    assert reproduced == {command.split()[0] for command in PUBLISHED}


@pytest.mark.parametrize("name", recipe_names())
def test_early_stopping_looks_at_the_loss_or_the_headline_of_a_task(name: str) -> None:
    recipe = load_recipe(name)
    headlines = {f"{task.name}/{task.primary_metric.name}" for task in recipe.make_tasks()}
    stopping = recipe.train.early_stopping
    assert stopping is None or stopping.monitor in headlines | {"loss"}


@pytest.mark.parametrize("name", recipe_names())
def test_every_preset_resolves(name: str) -> None:
    for preset in load_recipe(name).presets:
        load_recipe(name, presets=[preset])
