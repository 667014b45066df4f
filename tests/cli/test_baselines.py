"""`soritune baselines` as typed."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised
from typer.testing import CliRunner, Result

from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, SorituneError
from soritune.inference.clips import Clip
from soritune.recipe import load_recipe
from soritune.reports.score import score_predictions
from soritune.stages.recognised_phones import write_recognised_phones
from soritune.stages.run import run
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.testing import tiny_config


def soritune(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["baselines", *map(str, arguments)], env={"COLUMNS": "160"})
    assert result.exception is None or isinstance(result.exception, (SystemExit, SorituneError)), (
        result.exception
    )
    return result


@pytest.mark.slow
def test_baselines_are_shown_beside_the_model_in_all_and_by_group(tones: Manifest, tmp_path: Path) -> None:
    overrides = ["data.source=manifest", "data.config={}", "split.by=[speaker]", "train.max_steps=1"]
    recipe = load_recipe("emotion-3class", [f"data={tones.path}", "train.device=cpu", *overrides])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    run(recipe, tmp_path / "run")
    done = soritune(tmp_path / "run", "--no-audio")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in ("majority", "text_only", "mfcc_pitch"))
    assert "gender: " in done.stdout
    result = json.loads(soritune(tmp_path / "run", "--no-audio", "--json").stdout)
    baselines = result["tasks"]["emotion"]["baselines"]
    assert set(baselines["mfcc_pitch"]["groups"]) == {"gender"}


def test_a_folder_without_scores_is_refused(tmp_path: Path) -> None:
    done = soritune(tmp_path)
    assert isinstance(done.exception, ManifestError)
    assert "does not exist; give a scores.json" in str(done.exception)


def test_recognised_text_is_added_without_training(fakes: ModuleType, tmp_path: Path) -> None:
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, speaker="s", text="사과")
    task = PhonemeTask(PhonemeConfig())
    prediction = {"task": "phoneme", "phones": ["S", "A"], "confidence": 0.5, "hangul": "사"}
    answer = {"prediction": prediction, "reference": task.reference(row)}
    rows = [
        {
            "id": "a",
            "audio": "a.wav",
            "duration_s": 1.0,
            "groups": {"speaker": "s"},
            "tasks": {"phoneme": answer},
        }
    ]
    folder = tmp_path / "run"
    path = fakes.write_rows(folder / "predictions" / "test.jsonl", [task], rows, data={"split": "test"})
    score_predictions(path, resamples=5).save(folder / "scores.json")
    texts = tmp_path / "texts.jsonl"
    write_recognised_phones(texts, [(Clip(id="a", audio="a.wav"), recognised("사과"))], ToyRecogniser())
    done = soritune(folder, "--recognised", texts, "--no-audio")
    assert done.exit_code == 0
    assert "recognised_text" in done.stdout and "hides mispronunciations" in done.stdout
    content = json.loads(soritune(folder, "--recognised", texts, "--no-audio", "--json").stdout)
    assert content["tasks"]["phoneme"]["baselines"]["recognised_text"]["rates"]["per"] == 0.0
