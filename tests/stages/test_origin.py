"""The origin of a bundle on its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.stages.toy_recipes import emotion

from soritune.audio.waveform import write_audio
from soritune.bundles.write import update_card
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.recipe import load_recipe
from soritune.stages.origin import card_fields


def test_the_card_has_recipe_data_and_hours_of_the_splits(tones: Manifest) -> None:
    splits = make_splits(tones, SplitSettings(by=("speaker",)))
    fields = card_fields(emotion(tones.root, "train.seed=5", "data.licence=CC0"), tones, splits)
    assert (fields["name"], fields["seed"], fields["licence"]) == ("emotion-3class", 5, "CC0")
    assert fields["data"]["manifest_hash"] == tones.hash
    assert fields["data"]["sources"] == ["tones"]
    assert sum(fields["data"]["hours"].values()) == pytest.approx(tones.durations_s.sum() / 3600)
    assert fields["recipe"]["train"]["seed"] == 5
    assert fields["start"] is None
    assert fields["data"]["synthetic"] is False


def test_the_card_marks_synthetic_rows_without_the_setting(tones: Manifest, tmp_path: Path) -> None:
    spoken = [replace(row, source="synthetic") for row in tones]
    manifest = write_manifest(tmp_path / "m.parquet", spoken, root=tones.root)
    fields = card_fields(emotion(tones.root), manifest, make_splits(manifest, SplitSettings(by=("speaker",))))
    assert fields["data"]["synthetic"] is True


def test_the_bundle_that_training_begins_with_is_recorded(
    tones: Manifest, fakes: ModuleType, tmp_path: Path
) -> None:
    start = fakes.make_bundle(tmp_path / "pilot", [fakes.emotion_task()])
    update_card(start.path, name="the pilot", start={"name": "its own start"})
    recipe = emotion(tones.root)
    recipe.model = recipe.model.model_copy(update={"init_from": str(start.path)})
    fields = card_fields(recipe, tones, make_splits(tones, SplitSettings(by=("speaker",))))
    assert fields["start"] == {"name": "the pilot", "licence": "MIT", "start": {"name": "its own start"}}


def test_recordings_of_the_augmentation_are_recorded_with_their_licence(
    tones: Manifest, tmp_path: Path
) -> None:
    (tmp_path / "cafe").mkdir()
    write_audio(tmp_path / "cafe" / "a.wav", np.zeros(1600, np.float32), 16000)
    noise = {"folder": str(tmp_path / "cafe"), "licence": "CC BY 4.0"}
    splits = make_splits(tones, SplitSettings(by=("speaker",)))
    assert "recordings" not in card_fields(emotion(tones.root), tones, splits)["data"]
    recipe = emotion(tones.root)
    recipe.augment = {"one_of": {"among": {"noise_files": noise, "gain": {}}}}
    fields = card_fields(recipe, tones, splits)
    assert fields["data"]["recordings"] == [
        {"augmentation": "one_of.among.noise_files", "folder": "cafe", "files": 1, "licence": "CC BY 4.0"}
    ]


def test_rows_whose_phones_come_from_recognised_text_are_counted(tones: Manifest, tmp_path: Path) -> None:
    """Of training and validation rows, and for tasks that read phones off the text alone."""
    splits = make_splits(tones, SplitSettings(by=("speaker",)))
    inside = {tones.ids[n] for part in ("train", "val") for n in splits.indices(tones, part)}
    rows = [replace(row, text="가나", text_source="asr" if n % 2 else "gold") for n, row in enumerate(tones)]
    rows = [replace(row, phones=("G", "A")) if n % 4 == 1 else row for n, row in enumerate(rows)]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tones.root)
    expected = sum(row.id in inside for n, row in enumerate(rows) if n % 4 == 3)
    phonetic = load_recipe("quickstart", [f"data={tmp_path / 'm.parquet'}"])
    assert card_fields(phonetic, manifest, splits)["data"]["recognised_labels"] == {
        "rows": expected,
        "of": len(inside),
    }
    assert "recognised_labels" not in card_fields(phonetic, tones, splits)["data"]
    assert "recognised_labels" not in card_fields(emotion(tones.root), manifest, splits)["data"]
