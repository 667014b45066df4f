"""The file of mean states is read again for the same encoder, rows and samples, and made anew for others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.conftest import write_tones

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.errors import AudioError
from soritune.models.mean_states import build_state_model
from soritune.models.model import SpeechModel
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.stages import cached_states as module
from soritune.stages.cached_states import cached_states
from soritune.testing import tiny_config


class Messages(Console):
    """Keeps what is shown."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.shown: list[str] = []

    def message(self, text: str, *, style: str | None = None) -> None:
        self.shown.append(text)


@pytest.fixture
def rows(tmp_path: Path) -> Manifest:
    return write_manifest(
        tmp_path / "m.parquet", write_tones(tmp_path, speakers=2, per_style=1), root=tmp_path
    )


@pytest.fixture
def recipe(rows: Manifest) -> Recipe:
    recipe = load_recipe("emotion-3class", [f"data={rows.path}", "train.device=cpu", "batches.num_workers=0"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    return recipe


def model_of(recipe: Recipe, seed: int = 0) -> SpeechModel:
    return build_state_model(recipe.model, recipe.make_tasks()[0].outputs[0], seed=seed)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of every computation."""
    calls: list[int] = []
    compute = module._encoded

    def counted(recipe: Recipe, manifest: Manifest, *more: Any) -> Any:
        calls.append(len(manifest))
        return compute(recipe, manifest, *more)

    monkeypatch.setattr(module, "_encoded", counted)
    return calls


def test_the_same_encoder_and_rows_are_read_from_the_file(
    rows: Manifest, recipe: Recipe, tmp_path: Path, encoded: list[int]
) -> None:
    file = tmp_path / "states.safetensors"
    first = cached_states(recipe, rows, model_of(recipe), file)
    again = cached_states(recipe, rows, model_of(recipe), file)
    np.testing.assert_array_equal(first, again)
    assert encoded == [6]
    assert first.shape[:2] == (6, 4)
    assert np.isfinite(first).all()


@pytest.mark.parametrize("change", ["weights", "preprocessing", "rows", "samples", "damage"])
def test_a_file_of_something_else_is_made_anew(
    rows: Manifest, recipe: Recipe, tmp_path: Path, encoded: list[int], change: str
) -> None:
    file = tmp_path / "states.safetensors"
    before = cached_states(recipe, rows, model_of(recipe), file)
    seed = 1 if change == "weights" else 0
    if change == "preprocessing":
        recipe.preprocessing = recipe.preprocessing.model_copy(update={"max_duration_s": 0.4})
    if change == "rows":
        rows = write_manifest(tmp_path / "m.parquet", list(rows)[::-1], root=tmp_path)
    if change == "samples":  # the same rows in a longer file, whose length the manifest has too
        row = rows.utterance(0)
        soundfile.write(tmp_path / row.audio, 0.1 * np.random.default_rng(0).standard_normal(9000), 16000)
        changed = [dataclasses.replace(row, duration_s=9000 / 16000), *list(rows)[1:]]
        rows = write_manifest(tmp_path / "m.parquet", changed, root=tmp_path)
    if change == "damage":
        file.write_bytes(file.read_bytes()[:50])
    console = Messages()
    after = cached_states(recipe, rows, model_of(recipe, seed), file, console=console)
    assert encoded == [6, 6]
    assert [text for text in console.shown if "made anew" in text] == console.shown[:1]
    assert np.array_equal(before, after) is (change == "damage")


def test_another_front_end_makes_the_file_anew(
    rows: Manifest, recipe: Recipe, tmp_path: Path, encoded: list[int]
) -> None:
    """Its settings are in the configuration of the encoder, not in its weights."""
    recipe.model.architecture = tiny_config("whisper")
    for front in ({}, {"appended_silence_s": 2.0}):
        recipe.model.front = front
        cached_states(recipe, rows, model_of(recipe), tmp_path / "states.safetensors")
    assert encoded == [6, 6]


def test_a_row_that_cannot_be_read_is_reported(rows: Manifest, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / rows.utterance(2).audio).write_bytes(b"")
    with pytest.raises(AudioError, match=rows.utterance(2).audio):
        cached_states(recipe, rows, model_of(recipe), tmp_path / "states.safetensors")
    assert not (tmp_path / "states.safetensors").exists()
