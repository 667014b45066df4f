import json
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from soritune.errors import OutputError, TaskError
from soritune.reports.evaluation import Evaluation
from soritune.reports.report import write_report
from soritune.reports.score import score_predictions


@pytest.fixture
def judged(fakes, tmp_path):
    """Eight clips of two speakers, worked by hand: confusion [[2, 1, 0], [0, 3, 0], [0, 1, 1]]."""
    truth = ["불안", "불안", "불안", "친절", "친절", "친절", "건조", "건조"]
    guess = ["불안", "불안", "친절", "친절", "친절", "친절", "건조", "친절"]
    labels = ("불안", "친절", "건조")
    rows = []
    for number, (t, g) in enumerate(zip(truth, guess, strict=True)):
        given = {label: 0.5 if label == g else 0.25 for label in labels}
        prediction = {"task": "emotion", "label": g, "confidence": 0.5, "probabilities": given}
        groups = {"speaker": f"s{number % 2}"}
        tasks = {"emotion": {"prediction": prediction, "reference": {"label": t}}}
        rows.append(
            {"id": str(number), "audio": f"{number}.wav", "duration_s": 1.0, "groups": groups, "tasks": tasks}
        )
    path = fakes.write_rows(tmp_path / "predictions" / "all.jsonl", [fakes.emotion_task(labels)], rows)
    scores = score_predictions(path, resamples=20)
    scores.save(tmp_path / "scores.json")
    page = write_report(tmp_path, predictions_path=path, audio=False)
    return Evaluation(scores, files={"report": str(page)})


def test_rates_classes_and_confusion_equal_numbers_by_hand(judged):
    assert judged.labels == ("불안", "친절", "건조")
    assert judged.confusion.tolist() == [[2, 1, 0], [0, 3, 0], [0, 1, 1]]
    assert judged.scores["wa"] == pytest.approx(6 / 8)
    assert judged.scores["ua"] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    # Six clips were given a half, two a quarter: (6 ln 2 + 2 ln 4) / 8.
    assert judged.scores["loss"] == pytest.approx((6 * math.log(2) + 2 * math.log(4)) / 8)
    kind = judged.classes["친절"]
    assert (kind.precision, kind.recall, kind.support) == (pytest.approx(3 / 5), 1.0, 3)
    assert "loss" not in judged["tasks"]["emotion"]["baselines"]["majority"]["rates"]
    assert json.loads(json.dumps(judged)) == judged


def test_evaluation_is_a_dict_with_the_content_of_scores_json(judged):
    """docs/python.md promises both: items as in the file, and attributes."""
    assert judged["tasks"]["emotion"]["rates"]["wa"]["value"] == judged.scores["wa"]
    assert judged["num_failed"] == 0
    assert set(judged) - set(judged.all_scores.to_json()) == {"files"}
    assert judged.task == "emotion"


def test_rate_that_cannot_be_computed_has_no_value(fakes, tmp_path):
    rows = fakes.phoneme_rows({"s": [("A", "A")]})
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.phoneme_task()], rows)
    scores = score_predictions(path, resamples=0)
    rates = dict(scores.tasks["phoneme"].rates)
    rates["per"] = replace(rates["per"], value=math.nan)
    unknown = replace(scores, tasks={"phoneme": replace(scores.tasks["phoneme"], rates=rates)})
    assert Evaluation(unknown).scores["per"] is None
    assert json.loads(json.dumps(Evaluation(unknown), allow_nan=False)) == Evaluation(unknown)


def test_figures_contain_the_labels(judged, tmp_path):
    names = {"불안", "친절", "건조"}
    for draw in (judged.plot_confusion_matrix, judged.plot_class_metrics):
        root = ElementTree.parse(draw(tmp_path / "a.svg"))
        words = " ".join(element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text"))
        assert all(name in words for name in names)


def test_text_report_has_warnings_rates_classes_and_confusion(judged, tmp_path):
    text = judged.report()
    lines = text.splitlines()
    assert "! 2 known speakers: with fewer than 10 no interval is reliable." in lines
    assert next(line for line in lines if line.startswith("loss ")).split()[1] == "0.8664"
    assert next(line for line in lines if line.startswith("accuracy (wa) ")).split()[2] == "75.0"
    assert ["친절", "3", "60.0", "%", "100.0", "%", "75.0", "%"] in [line.split() for line in lines]
    assert ["speaker", "clips", "ua", "95", "%", "interval", "wa"] in [line.split() for line in lines]
    assert ["건조", "0", "1", "1"] in [line.split() for line in lines]
    assert judged.write_report(tmp_path / "r.txt").read_text(encoding="utf-8") == text
    assert text in judged.write_report(tmp_path / "r.md").read_text(encoding="utf-8")
    assert judged.write_report(tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(OutputError, match=r"written as \.txt, \.md or \.html, not as '\.doc'"):
        judged.write_report(tmp_path / "r.doc")


def test_page_draws_classes_and_writes_the_loss_as_a_number(judged):
    page = Path(judged["files"]["report"]).read_text(encoding="utf-8")
    assert "Precision, recall and F1 by class" in page
    assert "0.8664" in page
    assert "86.6 %" not in page


def test_task_without_classes_has_no_confusion(fakes, tmp_path):
    path = fakes.write_rows(
        tmp_path / "p.jsonl", [fakes.phoneme_task()], fakes.phoneme_rows({"s": [("A B", "A D"), ("B", "B")]})
    )
    evaluation = Evaluation(score_predictions(path, resamples=20))
    assert evaluation.scores["per"] == pytest.approx(1 / 3)
    with pytest.raises(TaskError, match="phoneme: no task with classes"):
        evaluation.plot_confusion_matrix(tmp_path / "a.svg")
    assert "confusion" not in evaluation.report()
