"""A cross-validation judges every utterance once, resumes, and refuses other settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.stages.toy_recipes import emotion

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.errors import OutputError
from soritune.run_folder import RunFolder
from soritune.stages.crossval import _begin_fold, crossval

pytestmark = pytest.mark.slow


def test_cross_validation_judges_every_utterance_once_by_a_model_that_was_not_trained_on_its_speaker(
    tree: Path, tmp_path: Path
) -> None:
    recipe = emotion(tree, "train.max_steps=2")
    scores = crossval(recipe, tmp_path / "cv", folds=3)
    assert scores["tasks"]["emotion"]["num_utterances"] == 81
    assert scores["tasks"]["emotion"]["num_speakers"] == 9
    assert len(scores["folds"]) == 3
    again = crossval(recipe, tmp_path / "cv", folds=3)  # finished folds are not done again
    assert again["tasks"]["emotion"]["rates"] == scores["tasks"]["emotion"]["rates"]


@pytest.mark.parametrize("has_links", [True, False])
def test_folds_share_the_manifest_by_a_link_or_a_copy(
    tones: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "a required privilege is not held by the client")

    if not has_links:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    files = RunFolder(tmp_path)
    manifest = write_manifest(files.checked, tones, root=tones.root)
    assert not _begin_fold(files, files.fold(1), make_splits(manifest, SplitSettings(by=("speaker",))))
    assert files.fold(1).checked.is_symlink() is has_links
    assert load_manifest(files.fold(1).checked).hash == manifest.hash


def test_folds_begun_with_other_settings_are_not_reused(tree: Path, tmp_path: Path) -> None:
    crossval(emotion(tree, "train.max_steps=1"), tmp_path / "cv", folds=2)
    with pytest.raises(OutputError, match=r"begun with other settings under evaluate\.calibrate;"):
        crossval(emotion(tree, "train.max_steps=1", "evaluate.calibrate=false"), tmp_path / "cv", folds=2)
    with pytest.raises(OutputError, match="begun with other settings under train"):
        crossval(emotion(tree, "train.max_steps=2"), tmp_path / "cv", folds=2)


def test_folds_begun_on_another_plan_are_not_reused(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree, "train.max_steps=1")
    crossval(recipe, tmp_path / "cv", folds=3)
    with pytest.raises(OutputError, match="other settings under folds"):
        crossval(recipe, tmp_path / "cv", folds=2)
    with pytest.raises(OutputError, match="other settings under val_share"):
        crossval(recipe, tmp_path / "cv", folds=3, val_share=0.3)
