"""Bundles with and without thresholds, and the choice on rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from soritune.assessment.thresholds import FILE_NAME, packaged_thresholds, write_thresholds
from soritune.bundles.packaged import resolve_model_folder
from soritune.corpus.manifest import Manifest
from soritune.errors import TaskError
from soritune.inference.predictor import Predictor
from soritune.stages.assess import assess_clips
from soritune.stages.assessment_thresholds import choose_on_rows


def test_bundle_without_thresholds_is_refused_and_with_a_file_is_not(
    tmp_path: Path, tiny_ko: str, unseen: Manifest
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(resolve_model_folder(tiny_ko), folder)
    row = next(unseen.utterances())
    items = [{"audio": unseen.audio_path(row), "text": row.text}]
    predictor = Predictor.load(folder, vad="off")
    with pytest.raises(TaskError, match=r"has no thresholds .* --thresholds, .* --choose-thresholds"):
        list(assess_clips(predictor, items, vad="off"))
    tiny = packaged_thresholds("tiny-ko")
    assert tiny is not None
    write_thresholds(folder / FILE_NAME, tiny.model_copy(update={"name": "mine"}))
    (answer,) = assess_clips(predictor, items, vad="off")
    assert answer["thresholds"]["name"] == "mine"


def test_averaged_models_need_given_thresholds(tiny_ko: str) -> None:
    predictor = Predictor.load([tiny_ko, tiny_ko], vad="off")
    with pytest.raises(TaskError, match="2 models are averaged"):
        list(assess_clips(predictor, [], vad="off"))


def test_choice_on_rows_of_unseen_voices(tiny_ko: str, unseen: Manifest) -> None:
    predictor = Predictor.load(tiny_ko, vad="off")
    chosen, result = choose_on_rows(predictor, unseen, "mine")
    assert chosen.name == "mine"
    assert "soritune/tiny-ko" in chosen.origin
    assert result["other_rejected"] >= 0.98
    assert result["phones_called_wrong"] <= 0.05
