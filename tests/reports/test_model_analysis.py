from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from soritune.errors import ManifestError
from soritune.reports.model_analysis import ModelAnalysis
from soritune.reports.score import score_predictions


def judged(fakes: ModuleType, folder: Path) -> Path:
    rows = fakes.phoneme_rows({f"s{k}": [("A B | D", "A D | D")] for k in range(4)})
    for number, row in enumerate(rows):
        row["groups"]["age"] = 5 + number % 2
    path = fakes.write_rows(folder / "predictions" / "test.jsonl", [fakes.phoneme_task()], rows, name="r16")
    score_predictions(path, resamples=20).save(folder / "scores.json")
    return folder


def test_one_json_has_rates_groups_gaps_and_phones(fakes: ModuleType, tmp_path: Path) -> None:
    model = ModelAnalysis.of("r16", judged(fakes, tmp_path), resamples=20)
    content = json.loads(json.dumps(model.to_json(), allow_nan=False))
    assert (content["schema"], content["name"], content["model"]["name"]) == (
        "soritune.analysis/1",
        "r16",
        "r16",
    )
    task = content["tasks"]["phoneme"]
    assert task["rates"]["per"]["value"] == pytest.approx(1 / 3)
    assert set(task["fields"]["age"]["groups"]) == {"5", "6"}
    assert task["fields"]["age"]["gaps"][0]["difference"]["value"] == 0
    assert [phone["phone"] for phone in task["phones"]["phones"]][0] == "B"
    assert task["phones"]["phones"][0]["instead"] == [{"phone": "D", "times": 4}]


def test_scores_without_predictions_are_refused(fakes: ModuleType, tmp_path: Path) -> None:
    judged(fakes, tmp_path)
    (tmp_path / "predictions" / "test.jsonl").unlink()
    with pytest.raises(ManifestError, match="missing"):
        ModelAnalysis.of("r16", tmp_path)
