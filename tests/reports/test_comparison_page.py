from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.reports.score import score_predictions

HYPOTHESES = {"base": "A A | D", "r16": "A D | D", "r32": "A B | D"}
"""Of A B | D: one other phone, one other phone, right."""


@pytest.fixture
def judged(fakes: ModuleType, tmp_path: Path) -> list[str]:
    """Three models judged on the same clips of twelve speakers of two ages and sexes, with sound."""
    folders = []
    for name, hypothesis in HYPOTHESES.items():
        rows = fakes.phoneme_rows({f"s{k:02d}": [("A B | D", hypothesis)] for k in range(12)})
        for number, row in enumerate(rows):
            row["groups"] |= {
                "age": 5 + number % 2,
                "gender": "fm"[number % 3 == 0],
                "snr_db": 10 + number % 2,
            }
            row["tasks"]["phoneme"]["reference"]["text"] = "안녕 <b>"
            soundfile.write(tmp_path / row["audio"], np.zeros(1600), 16_000)
        path = tmp_path / name / "predictions" / "test.jsonl"
        fakes.write_rows(path, [fakes.phoneme_task()], rows, name=name, data={"root": str(tmp_path)})
        score_predictions(path, resamples=20).save(tmp_path / name / "scores.json")
        folders.append(str(tmp_path / name))
    return folders


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["compare", *arguments, "--resamples", "20"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_models_get_a_json_each_a_summary_and_a_page(judged: list[str], tmp_path: Path) -> None:
    run(*judged, "--report", str(tmp_path / "out"))
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["base.json", "comparison.html", "r16.json", "r32.json", "summary.json"]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["models"][1] == {"name": "r16", "file": "r16.json"}
    differences = summary["comparison"]["tasks"]["phoneme"]["differences"]
    assert [None if each is None else round(each["per"]["value"], 3) for each in differences] == [
        None,
        0,
        -0.333,
    ]
    base = json.loads((tmp_path / "out" / "base.json").read_text(encoding="utf-8"))
    assert set(base["tasks"]["phoneme"]["fields"]) == {"age", "gender", "snr_db"}
    html = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert html.count('<figure class="wide">') == 3
    assert "r32 − base" in html
    assert "안녕 &lt;b&gt;" in html
    assert "<b></span>" not in html
    for title in ("Age", "Sex", "SNR (dB)", "Weakest phones", "Examples"):
        assert f"<h3>{title}" in html
    assert html.count("<audio controls") == 4  # the most improved clips, which are the worst ones too
    assert not re.search(r'(src|href)="(?!#|data:)', html)


def test_single_model_has_a_page_without_differences(judged: list[str], tmp_path: Path) -> None:
    run(judged[0], "--report", str(tmp_path / "out"), "--no-audio")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert summary["comparison"] is None
    html = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "Differences" not in html
    assert "<audio" not in html
    done = CliRunner().invoke(app, ["compare", judged[0]])
    assert "at least two" in str(done.exception)


def test_json_of_the_command_names_the_files(judged: list[str], tmp_path: Path) -> None:
    content = json.loads(run(*judged, "--report", str(tmp_path / "out"), "--json"))
    assert Path(content["files"][-1]).name == "comparison.html"
    assert content["tasks"]["phoneme"]["common_speakers"] == 12


def test_options_of_the_page_are_refused_without_it(judged: list[str]) -> None:
    done = CliRunner().invoke(app, ["compare", *judged, "--no-audio"])
    assert "without --report" in str(done.exception)


def test_every_interval_over_few_speakers_is_marked_and_tables_stack_on_a_telephone(
    fakes: ModuleType, tmp_path: Path
) -> None:
    for name, hypothesis in HYPOTHESES.items():
        rows = fakes.phoneme_rows({speaker: [("A B | D", hypothesis)] * 2 for speaker in ("kim", "lee")})
        path = tmp_path / name / "predictions" / "test.jsonl"
        fakes.write_rows(path, [fakes.phoneme_task()], rows, name=name, data={"root": str(tmp_path)})
        score_predictions(path, resamples=20).save(tmp_path / name / "scores.json")
    run(*(str(tmp_path / name) for name in HYPOTHESES), "--report", str(tmp_path / "out"), "--no-audio")
    html = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    intervals = re.findall(r"<small>([\d.]+ – [^<]*)</small>", html)
    assert intervals and all(text.endswith("unreliable, 2 speakers") for text in intervals)
    assert set(re.findall(r"<table[^>]*>", html)) == {'<table class="many">'}
