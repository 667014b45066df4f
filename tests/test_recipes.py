"""Every recipe's resolved numbers against a table of what the reproduced systems publish."""

from __future__ import annotations

from typing import Any

import pytest

from soritune.recipe import load_recipe, recipe_names, recipe_text

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
    "child-phoneme": {
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
        "train.epochs": 10,
        "train.learning_rate": 5e-4,
        "train.warmup_steps": 500,
        "train.schedule": "linear",
        "train.keep_newest": 2,
        "train.early_stopping": {"monitor": "loss", "patience": 4, "min_delta": 0.005},
        "augment.spec_augment.probability": 0.5,
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
        "train.best": {"phoneme_per": "mispronunciation/per", "error_acc": "mispronunciation/error_acc"},
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
def test_numbers(command: str) -> None:
    name, _, preset = command.partition(" --preset ")
    resolved = load_recipe(name, presets=[preset] if preset else []).resolved()
    found = {path: value_at(resolved, path) for path in PUBLISHED[command]}
    assert found == PUBLISHED[command]


def test_phoneme_recipes_have_45_labels() -> None:
    assert len(load_recipe("child-phoneme").make_tasks()[0].outputs[0].labels) == 45


@pytest.mark.parametrize("name", recipe_names())
def test_headers_say_what_how_and_faults(name: str) -> None:
    header = [line for line in recipe_text(name).splitlines() if line.startswith("#")]
    text = "\n".join(header)
    assert len(header) >= 4 and "Launch" in text
    if name in {key.split()[0] for key in PUBLISHED}:
        for word in ("Reproduces", "Override", "Faults", "Presets"):
            assert word in text, f"{name}: header lacks {word}"


def test_every_published_system_is_in_the_table() -> None:
    ours = {name for name in recipe_names() if not name.startswith("demo-")}
    assert ours == {command.split()[0] for command in PUBLISHED}


@pytest.mark.parametrize("name", recipe_names())
def test_presets_resolve(name: str) -> None:
    for preset in load_recipe(name).presets:
        load_recipe(name, presets=[preset])


def test_both_halves_of_the_demo_share_corpus_and_split() -> None:
    """The emotion half starts from the phone encoder: with another split its test voices would have trained it."""
    phoneme, emotion = load_recipe("demo-phoneme"), load_recipe("demo-emotion")
    assert phoneme.data == emotion.data
    assert phoneme.split == emotion.split
