"""A sweep over layers: chosen without the judged speakers, of a made-up encoder whose best layer is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.errors import SplitError, TaskError
from soritune.progress import SILENT
from soritune.recipe import Recipe, load_recipe
from soritune.stages import layer_sweep
from soritune.stages.label_columns import with_labels
from soritune.stages.layer_sweep import inner_parts, sweep_layers
from soritune.testing import tiny_config


@pytest.fixture
def recipe(tones: Manifest) -> Recipe:
    recipe = load_recipe(
        "emotion-3class",
        [
            f"data={tones.path}",
            "data.source=manifest",
            "data.config={}",
            "train.device=cpu",
            "batches.num_workers=0",
            "evaluate.resamples=100",
        ],
    )
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    return recipe


def made_up(best: int, spoilt: frozenset[str] = frozenset()) -> Any:
    """States of noise, except that state `best` gives the label away; for `spoilt` speakers state 0 does instead."""

    def states(recipe: Recipe, manifest: Manifest, model: Any, file: Path, **_: Any) -> NDArray[np.float32]:
        rng = np.random.default_rng(0)
        values = rng.standard_normal((len(manifest), model.num_layers + 2, 4)).astype(np.float32)
        for row, utterance in enumerate(manifest):
            label = ("Anxious", "Kind", "Dry").index(str(utterance.emotion))
            values[row, 0 if utterance.speaker in spoilt else best, label] += 6
        return values

    return states


def test_the_layer_that_separates_the_labels_is_chosen_and_judged(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_sweep, "cached_states", made_up(1))
    result = sweep_layers(recipe, tmp_path / "sweep", inner_folds=3)
    assert result.layers == ("0", "1", "2", "last")
    assert [fold.chosen for fold in result.folds] == ["1"] * 6
    assert result.override == "tasks.emotion.layer=1"
    assert result.outer.value == pytest.approx(1.0)
    assert result.outer_default.value < 0.7
    assert result.difference.value == pytest.approx(result.outer.value - result.outer_default.value)
    assert sorted(name for fold in result.folds for name in fold.test_speakers) == [f"s{n}" for n in range(6)]
    stored = json.loads((tmp_path / "sweep" / "layers.json").read_text(encoding="utf-8"))
    assert stored["times_chosen"] == {"1": 6}
    assert (tmp_path / "sweep" / "layers.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_the_judged_speaker_has_no_part_in_the_choice(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For two of six speakers another layer is best. They are a minority of every training part, so that their own
    folds choose the layer of the others, and judge them by it."""
    spoilt = frozenset({"s0", "s3"})
    monkeypatch.setattr(layer_sweep, "cached_states", made_up(1, spoilt))
    result = sweep_layers(recipe, tmp_path / "sweep", inner_folds=5)
    of = {fold.test_speakers[0]: fold for fold in result.folds}
    assert {of[name].chosen for name in spoilt} == {"1"}
    assert all(of[name].outer < 0.8 for name in spoilt)
    inner = {name: {layer: i.value for layer, i in fold.inner.items()} for name, fold in of.items()}

    # Other labels for the judged speaker change nothing of its own fold's choice.
    original = layer_sweep._probe

    def with_other_labels(*arguments: Any) -> Any:
        probe = original(*arguments)
        labels = np.where(probe.speakers == "s0", (probe.labels + 1) % 3, probe.labels)
        return dataclasses.replace(probe, labels=labels)

    monkeypatch.setattr(layer_sweep, "_probe", with_other_labels)
    again = sweep_layers(recipe, tmp_path / "again", inner_folds=5)
    fold = next(fold for fold in again.folds if fold.test_speakers == ("s0",))
    assert {layer: i.value for layer, i in fold.inner.items()} == inner["s0"]


def test_rated_rows_have_the_folds_of_crossval_and_tied_ones_are_not_judged(
    recipe: Recipe, tones: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        dataclasses.replace(row, extra={"raters": ["Kind", "Dry"] if number % 6 == 0 else [row.emotion] * 2})
        for number, row in enumerate(tones)
    ]
    manifest = write_manifest(tmp_path / "rated.parquet", rows, root=tones.root)
    recipe.data.root = str(manifest.path)
    recipe.tasks["emotion"] |= {"ratings": ["raters"], "rated_target": "soft"}
    recipe.split = recipe.split.model_copy(update={"stratify": ("emotion",)})
    monkeypatch.setattr(layer_sweep, "cached_states", made_up(1))
    result = sweep_layers(recipe, tmp_path / "sweep", folds=2, inner_folds=2)
    assert result.num_rows == 30
    seen: list[Manifest] = []
    monkeypatch.setattr(layer_sweep, "make_folds", lambda rows, **_: seen.append(rows) or [])
    checked = load_manifest(tmp_path / "sweep" / "checked.parquet")
    layer_sweep._crossval_folds(recipe, checked, 2, SILENT)
    (strata,) = (rows.column("emotion").to_pylist() for rows in seen)
    majorities = with_labels(recipe.make_tasks(), checked).column("emotion").to_pylist()
    assert strata == majorities
    assert strata.count(None) == 6


def test_speakers_are_compared_as_ids_in_the_inner_folds(
    recipe: Recipe, tones: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same name in two spellings is one speaker, so no inner fold trains on it and judges it."""
    names = {"s0": "\uac00", "s1": "\u1100\u1161"}
    rows = [dataclasses.replace(row, speaker=names.get(str(row.speaker), row.speaker)) for row in tones]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tones.root)
    recipe.data.root = str(manifest.path)
    monkeypatch.setattr(layer_sweep, "cached_states", made_up(1))
    result = sweep_layers(recipe, tmp_path / "sweep", folds=2, inner_folds=2)
    assert result.num_speakers == 5
    assert sorted(name for fold in result.folds for name in fold.test_speakers) == [
        "s2", "s3", "s4", "s5", "\uac00"
    ]  # fmt: skip


def test_the_own_split_is_one_fold_with_the_test_split_as_judge(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_sweep, "cached_states", made_up(2))
    recipe.split = recipe.split.model_copy(update={"by": ("speaker",)})
    result = sweep_layers(recipe, tmp_path / "sweep", own_split=True)
    (fold,) = result.folds
    assert fold.chosen == "2"
    assert (tmp_path / "sweep" / "splits.parquet").exists()


def test_inner_folds_judge_every_training_speaker_once_by_others() -> None:
    speakers = np.array(["a", "b", "a", "c", "b", "d"], dtype=object)
    train = np.array([0, 1, 2, 3, 4])
    parts = inner_parts(train, speakers, 5)
    assert len(parts) == 3
    assert sorted(row for _, test in parts for row in test) == train.tolist()
    for fit, judge in parts:
        assert not set(speakers[fit]) & set(speakers[judge])


def test_one_training_speaker_is_too_few_to_choose() -> None:
    with pytest.raises(SplitError, match="fewer than two"):
        inner_parts(np.array([0, 1]), np.array(["a", "a"], dtype=object), 5)


def test_a_recipe_without_labels_of_utterances_is_refused(tones: Manifest, tmp_path: Path) -> None:
    recipe = load_recipe("quickstart", [f"data={tones.path}", "train.device=cpu"])
    with pytest.raises(TaskError, match="phoneme: no task with one label"):
        sweep_layers(recipe, tmp_path)


@pytest.mark.slow
def test_states_of_a_real_encoder_are_kept_and_read_again(recipe: Recipe, tmp_path: Path) -> None:
    first = sweep_layers(recipe, tmp_path / "sweep", folds=2, inner_folds=2)
    written = (tmp_path / "sweep" / "states.safetensors").stat().st_mtime_ns
    again = sweep_layers(recipe, tmp_path / "sweep", folds=2, inner_folds=2)
    assert (tmp_path / "sweep" / "states.safetensors").stat().st_mtime_ns == written
    assert again.to_json() == first.to_json()
    assert len(load_manifest(tmp_path / "sweep" / "checked.parquet")) == first.num_rows
