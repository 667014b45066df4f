"""A dry run reports splits, steps and the longest batch, and writes no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.stages.toy_recipes import emotion, toy_encoder

from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.manifest import load_manifest
from soritune.errors import AudioError, ModelError, TrainingError
from soritune.models.model import ModelOutput, SpeechModel
from soritune.recipe import load_recipe
from soritune.stages.dry_run import dry_run

pytestmark = pytest.mark.slow


def test_a_dry_run_writes_no_weights(tree: Path, tmp_path: Path) -> None:
    result = dry_run(emotion(tree), tmp_path / "dry")
    assert result["longest_batch"]["outputs"]["emotion"] == [4, 3]
    assert sum(sum(row["labels"]["emotion"].values()) for row in result["splits"].values()) == 81
    assert result["quarantined"] == 4
    assert "so `calibrate` will refuse this run" in result["calibration_fault"]
    assert not list((tmp_path / "dry").rglob("*.safetensors")) and not (tmp_path / "dry" / "bundles").exists()


def test_the_folders_of_the_child_corpus_are_its_splits(pairs: Path, tmp_path: Path) -> None:
    recipe = load_recipe("child-phoneme", [f"data={pairs}", "train.max_steps=1"])
    recipe.model.random_weights = True
    recipe.model.architecture = toy_encoder("child-phoneme")
    summary = dry_run(recipe, tmp_path / "dry")["splits"]
    assert {name: (row["utterances"], row["speakers"]) for name, row in summary.items()} == {
        "train": (16, 4),
        "val": (4, 1),
        "test": (8, 2),
    }
    rows = load_manifest(tmp_path / "dry" / "checked.parquet")
    assert sorted(set(rows.column("age").to_pylist())) == [6.0, 7.0, 8.0, 9.0]


def test_a_dry_run_counts_each_source_as_often_as_the_recipe_visits_it(
    two_languages: Path, tmp_path: Path
) -> None:
    steps = {}
    for weight in (1, 3):
        weights = f"batches.source_weights={{synthetic: 1, speechocean762: {weight}, speechocean762_train: {weight}}}"
        recipe = load_recipe(
            "bundled-encoder",
            [f"data={two_languages}", weights, "batches.padded_seconds=null", "batches.batch_size=4"],
        )
        recipe.model.random_weights = True
        recipe.model.architecture = toy_encoder("bundled-encoder")
        steps[weight] = dry_run(recipe, tmp_path / str(weight))["steps_per_epoch"]
    rows = {1: 2 + 2, 3: 2 + 3 * 2}  # speakers visited: two of Korean, two of English
    assert steps[3] / steps[1] == rows[3] / rows[1]


def test_the_longest_batch_of_a_dry_run_is_the_longest_there_can_be(
    two_languages: Path, tmp_path: Path
) -> None:
    """Though the first epoch takes the shortest clips first, and leaves out most where weights are small."""
    rows = [row for row in load_manifest(two_languages) if row.extra["split"] == "train"]
    longest = max(row.duration_s for row in rows)
    assert min(row.duration_s for row in rows) < longest
    weights = "{synthetic: 0.01, speechocean762: 0.01, speechocean762_train: 0.01}"
    recipe = load_recipe(
        "bundled-encoder",
        [f"data={two_languages}", f"batches.source_weights={weights}", "augment.speed=null"],
    )
    recipe.model.random_weights = True
    recipe.model.architecture = toy_encoder("bundled-encoder")
    batch = dry_run(recipe, tmp_path / "dry")["longest_batch"]
    assert batch["samples"] == round(longest * 16000)


def test_a_dry_run_checks_the_settings_of_every_phase(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree, "train.phases=[{}, {}, {freeze: {layers: 1}}]", "model.layerdrop=0.1")
    with pytest.raises(ModelError, match="phase 3 of 3: layerdrop"):
        dry_run(recipe, tmp_path / "dry")


def test_a_dry_run_refuses_a_model_whose_outputs_are_not_finite(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = SpeechModel.forward

    def spoilt(self: SpeechModel, *arguments: Any, **inputs: Any) -> ModelOutput:
        output = forward(self, *arguments, **inputs)
        return output._replace(logits={name: logits * float("inf") for name, logits in output.logits.items()})

    monkeypatch.setattr(SpeechModel, "forward", spoilt)
    with pytest.raises(TrainingError, match="output 'emotion' is not finite on"):
        dry_run(emotion(tree), tmp_path / "dry")


def test_a_dry_run_refuses_rows_that_it_cannot_read(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(self: Preprocessing, waveform: object) -> None:
        raise AudioError("a.wav", "is unreadable")

    monkeypatch.setattr(Preprocessing, "finish", unreadable)
    with pytest.raises(
        TrainingError, match="4 of the 4 rows of the longest batch .* first .*: is unreadable"
    ):
        dry_run(emotion(tree), tmp_path / "dry")
