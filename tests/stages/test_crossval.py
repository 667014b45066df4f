"""A cross-validation judges every utterance once, resumes, and refuses other settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.stages.toy_recipes import emotion

from soritune.errors import OutputError
from soritune.stages.crossval import crossval

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


def test_folds_begun_with_other_settings_are_not_reused(tree: Path, tmp_path: Path) -> None:
    crossval(emotion(tree, "train.max_steps=1"), tmp_path / "cv", folds=2)
    with pytest.raises(OutputError, match="begun with other settings under train"):
        crossval(emotion(tree, "train.max_steps=2"), tmp_path / "cv", folds=2)


def test_folds_begun_on_another_plan_are_not_reused(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree, "train.max_steps=1")
    crossval(recipe, tmp_path / "cv", folds=3)
    with pytest.raises(OutputError, match="other settings under folds"):
        crossval(recipe, tmp_path / "cv", folds=2)
    with pytest.raises(OutputError, match="other settings under val_share"):
        crossval(recipe, tmp_path / "cv", folds=3, val_share=0.3)
