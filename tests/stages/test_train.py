"""Training on rows and splits from files, and what a resumed training may change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.stages.toy_recipes import MANIFEST, emotion, toy_encoder

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import load_splits, make_splits
from soritune.errors import TrainingError
from soritune.recipe import load_recipe
from soritune.stages.evaluate import evaluate_run
from soritune.stages.run import RunResult, run
from soritune.stages.train import train_recipe
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow


def test_train_from_files_elsewhere_leaves_a_folder_that_can_be_evaluated(
    tree: Path, finished: tuple[Path, RunResult], tmp_path: Path
) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    splits = load_splits(finished[0] / "splits.parquet")
    recipe = emotion(tree, "train.max_steps=1")
    train_recipe(recipe, manifest, splits, tmp_path / "run")
    scores = evaluate_run(recipe, tmp_path / "run")
    assert scores["tasks"]["emotion"]["num_utterances"] == len(splits.indices(manifest, "test"))


def test_resume_refuses_another_split_of_the_same_size_and_another_base(
    tree: Path, finished: tuple[Path, RunResult], tmp_path: Path
) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    first, second = (fold for fold in make_folds(manifest, folds=3)[:2])
    recipe = emotion(tree, "train.max_steps=2")
    train_recipe(recipe, manifest, first, tmp_path / "run")
    with pytest.raises(TrainingError, match="another data"):
        train_recipe(recipe, manifest, second, tmp_path / "run", resume=True)
    recipe.model.architecture = tiny_config(norm="layer", conv_bias=False)
    with pytest.raises(TrainingError, match="another (recipe|base)"):
        train_recipe(recipe, manifest, first, tmp_path / "run", resume=True)


def test_settings_that_change_no_result_may_differ_on_resume(tree: Path, tmp_path: Path) -> None:
    run(emotion(tree, "train.max_steps=2", "batches.num_workers=0"), tmp_path / "run")
    written = (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8")
    other = emotion(
        tree, "train.max_steps=2", "batches.num_workers=1", "train.log_every_steps=1", "name=renamed"
    )
    assert run(other, tmp_path / "run", resume=True).training.stopped == "max_steps"
    with pytest.raises(TrainingError, match="another recipe"):
        run(emotion(tree, "train.max_steps=3"), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "recipe.yaml").read_text(encoding="utf-8") == written


def test_splits_from_elsewhere_replace_those_of_a_start_that_failed(
    tree: Path, finished: tuple[Path, RunResult], tmp_path: Path
) -> None:
    manifest = load_manifest(finished[0] / "checked.parquet")
    first, second = (fold for fold in make_folds(manifest, folds=3)[:2])
    (tmp_path / "run").mkdir()
    first.save(tmp_path / "run" / "splits.parquet")
    train_recipe(emotion(tree, "train.max_steps=1"), manifest, second, tmp_path / "run")
    assert load_splits(tmp_path / "run" / "splits.parquet").ids("test") == second.ids("test")


def test_a_manifest_from_elsewhere_is_checked_before_the_run(tones: Manifest, tmp_path: Path) -> None:
    rows = list(tones)
    rows[1] = dataclasses.replace(rows[1], text="가나다라마바사" * 9)
    rows[2] = dataclasses.replace(rows[2], text=None)
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tones.root)
    recipe = load_recipe(
        "child-phoneme", [*MANIFEST, f"data={manifest.path}", "train.phases=null", "train.max_steps=2"]
    )
    recipe.model.random_weights, recipe.model.architecture = True, toy_encoder("child-phoneme")
    splits = make_splits(manifest, recipe.split)
    train_recipe(recipe, manifest, splits, tmp_path / "run")
    quarantined = read_quarantine(tmp_path / "run" / "quarantine.jsonl")
    assert [(row.id, row.stage) for row in quarantined] == [(rows[1].id, "check"), (rows[2].id, "check")]
    assert "symbols need" in quarantined[0].reason
    assert len(load_manifest(tmp_path / "run" / "checked.parquet")) == len(rows) - 2
    # The same manifest resumes the run.
    assert train_recipe(recipe, manifest, splits, tmp_path / "run", resume=True).steps == 2
