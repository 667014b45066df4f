import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from soritune.cli.report import compare, evaluate, report, score
from soritune.errors import BundleError, ManifestError
from soritune.reports.evaluation import Evaluation
from soritune.reports.scores import load_scores

APP = typer.Typer()
for verb in (evaluate, score, report, compare):
    APP.command()(verb)


@pytest.fixture
def folders(fakes, tmp_path):
    """Two folders with predictions of twelve speakers; the second model has one clip more right in each."""
    for name, more in (("base", 0), ("tuned", 1)):
        rows = fakes.prediction_rows({f"s{k:02d}": k % 5 + more for k in range(12)})
        fakes.write_rows(tmp_path / name / "predictions.jsonl", [fakes.emotion_task()], rows, name=name)
    return tmp_path / "base", tmp_path / "tuned"


def call(*arguments, code=0):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.mark.slow
def test_score_report_and_compare_follow_one_another(folders):
    base, tuned = folders
    for folder in folders:
        shown = call(
            "score", folder / "predictions.jsonl", "-g", "gender", "-g", "age", "--resamples", 100
        ).stdout
        assert "ua" in shown
        assert "baseline: majority" in shown
        assert (folder / "scores.json").exists()
    content = json.loads((base / "scores.json").read_text(encoding="utf-8"))
    assert set(content["tasks"]["emotion"]["groups"]) == {"gender", "age"}
    call("report", base)
    assert (base / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    shown = call("compare", base, tuned).stdout
    assert "better" in shown
    assert "+16.7 points" in shown.replace("\n", " ")


def test_json_output_equals_the_written_files(folders, tmp_path):
    base, tuned = folders
    for folder in folders:
        content = json.loads(call("score", folder / "predictions.jsonl", "--json", "--resamples", 50).stdout)
        assert content["schema"] == "soritune.scores/1"
    made = json.loads(call("report", base, "--no-audio", "-o", tmp_path / "r.html", "--json").stdout)
    assert made == {"report": str(tmp_path / "r.html"), "bytes": (tmp_path / "r.html").stat().st_size}
    comparison = json.loads(call("compare", base, tuned, "--json", "-o", tmp_path / "c.json").stdout)
    assert comparison == json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert comparison["tasks"]["emotion"]["common_speakers"] == 12


def test_evaluate_shows_scores_and_exits_with_1_if_clips_failed(monkeypatch, folders, tmp_path):
    import soritune.stages.evaluate as module

    base, _ = folders
    call("score", base / "predictions.jsonl", "--resamples", 50)
    scores = load_scores(base)
    asked = {}

    def run(target, **options):
        asked.update(options, target=target)
        return Evaluation(scores, num_failed=2, files={"report": "r.html"})

    monkeypatch.setattr(module, "evaluate", run)
    shown = call("evaluate", tmp_path, "--split", "val", "--checkpoint", "last", "--no-audio", code=1).stdout
    assert "emotion: 72 clips, 12 speakers" in shown
    assert "report: r.html" in shown
    expected = {
        "target": str(tmp_path),
        "split": "val",
        "checkpoint": "last",
        "audio": False,
        "group_by": None,
    }
    assert {key: asked[key] for key in expected} == expected


def test_evaluate_passes_the_corpus_options_and_draws_plots(monkeypatch, folders, tmp_path):
    import soritune.stages.evaluate as module

    base, _ = folders
    call("score", base / "predictions.jsonl", "--resamples", 50)
    scores = load_scores(base)
    asked = {}

    def run(target, **options):
        asked.update(options)
        files = {"report": "r.html", "scores": str(tmp_path / "out" / "scores.json")}
        return Evaluation(scores, files=files)

    monkeypatch.setattr(module, "evaluate", run)
    options = ["--data", tmp_path / "corpus", "--source", "speaker-folders", "--output", tmp_path / "out"]
    options += ["--set", "pattern=(?P<speaker>.+)", "--set", "labels.불안=[[1, 2]]", "--plots", "svg"]
    shown = json.loads(call("evaluate", tmp_path, *options, "--json").stdout)
    assert asked["data"] == tmp_path / "corpus"
    assert asked["source"] == "speaker-folders"
    assert asked["settings"] == {"pattern": "(?P<speaker>.+)", "labels": {"불안": [[1, 2]]}}
    assert [Path(path).name for path in shown["files"]["plots"]] == [
        "confusion_matrix.svg",
        "class_metrics.svg",
    ]
    assert all(Path(path).is_file() for path in shown["files"]["plots"])
    for wrong in (["--source", "csv"], ["--set", "a=1"], ["--data", base, "--set", "a"]):
        with pytest.raises(ManifestError, match="give --data too|expects NAME=VALUE, got 'a'"):
            call("evaluate", tmp_path, *wrong)


def test_bad_input_is_refused_with_one_sentence(folders, tmp_path):
    base, _ = folders
    cases = [
        (["evaluate", tmp_path], BundleError),
        (["score", tmp_path / "gone.jsonl"], ManifestError),
        (["report", tmp_path / "gone"], ManifestError),
        (["compare", base / "predictions.jsonl", base], ManifestError),
        (["compare", base], ManifestError),
    ]
    for arguments, kind in cases:
        with pytest.raises(kind) as raised:
            call(*arguments)
        assert "\n" not in str(raised.value)


def test_score_shows_what_the_run_had_before_fine_tuning(fakes, tmp_path):
    def judge(name, rights, bundle, scores):
        rows = fakes.prediction_rows(dict.fromkeys(("a", "b", "c"), rights))
        data = {"split": "test", "manifest_hash": "same"}
        path = tmp_path / "run" / "predictions" / f"{name}.jsonl"
        fakes.write_rows(path, [fakes.emotion_task()], rows, data=data)
        header, rest = path.read_text(encoding="utf-8").split("\n", 1)
        header = json.dumps({**json.loads(header), "bundle": bundle})
        path.write_text(f"{header}\n{rest}", encoding="utf-8")
        return call("score", path, "--output", tmp_path / "run" / scores, "--resamples", 20).stdout

    judge("test-start", 1, {"name": "m", "folder": "start", "training": {"step": 0}}, "scores-start.json")
    shown = judge("test", 2, {"name": "m", "folder": "best", "training": {"step": 9}}, "scores.json")
    assert "before" in shown and "above the model before fine-tuning" in " ".join(shown.split())
    assert load_scores(tmp_path / "run").tasks["emotion"].before is not None
