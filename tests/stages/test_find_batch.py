"""The search for the largest batch gets a run that is ready to train, in a folder that disappears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.stages.toy_recipes import MANIFEST

from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.errors import TrainingError
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.stages.find_batch import find_batch
from soritune.testing import tiny_config


@pytest.fixture
def recipe(tones: Manifest) -> Recipe:
    made = load_recipe("emotion-3class", [*MANIFEST, f"data={tones.path}", "train.device=cpu"])
    made.model.random_weights, made.model.architecture = True, tiny_config(norm="layer")
    return made


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the search was called with; it reports one try and finds nothing."""
    calls: list[dict[str, Any]] = []

    def search(run: Any, *, memory_gb: float | None, progress: Any) -> None:
        calls.append({"rows": len(run.train_rows), "folder": run.folder, "memory_gb": memory_gb})
        calls[-1]["files"] = sorted(path.name for path in run.folder.iterdir())
        progress("40 s fit")

    monkeypatch.setattr("soritune.training.find_batch.find_batch", search)
    return calls


def test_the_corpus_of_the_recipe_is_prepared_in_a_temporary_folder(
    recipe: Recipe, searches: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    find_batch(recipe, memory_gb=2.0, console=Console())
    (call,) = searches
    assert 0 < call["rows"] < 36
    assert call["memory_gb"] == 2.0
    assert {"manifest.parquet", "checked.parquet", "splits.parquet"} <= set(call["files"])
    assert not call["folder"].exists()
    assert "40 s fit" in capsys.readouterr().err


def test_given_rows_and_splits_are_used(
    recipe: Recipe, tones: Manifest, searches: list[dict[str, Any]], tmp_path: Path
) -> None:
    splits = make_splits(tones, SplitSettings(by=("speaker",)))
    find_batch(recipe, tones, splits)
    (call,) = searches
    assert call["rows"] == len(splits.indices(tones, "train"))
    assert call["files"] == []


def test_several_processes_are_refused(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soritune.stages.find_batch.processes.count", lambda: 2)
    with pytest.raises(TrainingError, match="start it in one process"):
        find_batch(recipe)
