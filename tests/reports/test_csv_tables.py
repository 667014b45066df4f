"""Predictions, scores and comparisons as CSV, read back by the standard library."""

import csv
from pathlib import Path

import pytest

from soritune.reports.compare import compare
from soritune.reports.csv_tables import (
    RowFacts,
    is_csv,
    predictions_csv,
    write_comparison_csv,
    write_scores_csv,
)
from soritune.reports.score import score_predictions
from soritune.tasks.task import make_task


def read(path):
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # Excel reads Hangul only with this mark
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def emotion_row(name, label, **more):
    shares = {"calm": 0.25, "tense": 0.75, "warm": 0.0}
    prediction = {
        "task": "emotion",
        "label": label,
        "confidence": 0.75,
        "probabilities": shares,
        **more.pop("prediction", {}),
    }
    answer = {"emotion": {"prediction": prediction, "reference": None}}
    row = {"id": name, "audio": name, "duration_s": 2.5, "groups": {"speaker": "김"}, "tasks": answer}
    return {**row, **more}


def test_suffix_asks_for_csv():
    assert [is_csv(path) for path in (Path("a.csv"), Path("A.CSV"), Path("a.jsonl"), None)] == [
        True,
        True,
        False,
        False,
    ]


def test_predictions_have_a_line_per_clip(fakes, tmp_path):
    rows = [
        {"id": "bad.wav", "audio": "bad.wav", "error": "is empty"},
        emotion_row("가, 나.wav", "tense", start_s=10.0, channel=1),
        emotion_row("b.wav", "tense", no_speech=True, prediction={"uncertain": True}),
    ]
    with predictions_csv(tmp_path / "p.csv", [fakes.emotion_task()]) as add:
        for row in rows:
            add(row)
    bad, first, second = read(tmp_path / "p.csv")
    assert (bad["id"], bad["error"], bad["label"], bad["start_s"]) == ("bad.wav", "is empty", "", "")
    assert (first["id"], first["label"], first["confidence"]) == ("가, 나.wav", "tense", "0.75")
    assert (first["start_s"], first["end_s"], first["channel"], first["speaker"]) == (
        "10.0",
        "12.5",
        "1",
        "김",
    )
    assert (first["p_calm"], first["p_tense"], first["p_warm"]) == ("0.25", "0.75", "0.0")
    assert (first["no_speech"], first["uncertain"]) == ("false", "false")
    assert (second["no_speech"], second["uncertain"]) == ("true", "true")


def test_several_tasks_have_their_names_in_the_columns(fakes, tmp_path):
    row = emotion_row("a.wav", "calm")
    row["tasks"]["phoneme"] = {
        "prediction": {"task": "phoneme", "phones": ["a", "b"], "hangul": "가"},
        "reference": None,
    }
    with predictions_csv(tmp_path / "p.csv", [fakes.emotion_task(), fakes.phoneme_task()]) as add:
        add(row)
    (line,) = read(tmp_path / "p.csv")
    assert line["emotion.label"] == "calm"
    assert line["phoneme.phones"] == "a b"


def test_rows_of_a_manifest_have_text_attributes_reference_and_errors(fakes, tmp_path):
    """G A N A against G A N: one deletion of four; the boundary is no phone."""

    def row(name, reference, **groups):
        answer = {"prediction": {"task": "phoneme", "phones": ["G", "A", "N"]}, "reference": reference}
        return {"id": name, "audio": name, "duration_s": 1.0, "groups": groups, "tasks": {"phoneme": answer}}

    task = make_task("phoneme", {})
    facts = RowFacts(
        ["split", "age", "text"], iter([("a", "가나"), ("left out", "다"), ("b", None), ("c", "라")])
    )
    with predictions_csv(tmp_path / "p.csv", [task], facts) as add:
        add(row("a", None, split="test", age=7.5))
        add(row("b", {"phones": ["G", "A", "|", "N", "A"]}, split="test", text="mapped"))
        add({"id": "c", "audio": "c", "error": "is empty"})
    first, second, third = read(tmp_path / "p.csv")
    names = ("text", "split", "age", "row.text", "reference_phones", "errors", "reference_length", "error")
    assert [first[name] for name in names] == ["가나", "test", "7.5", "", "", "", "", ""]
    assert [second[name] for name in names] == ["", "test", "", "mapped", "G A | N A", "1", "4", ""]
    assert (third["text"], third["error"]) == ("라", "is empty")


def test_labels_of_a_manifest_are_references(fakes, tmp_path):
    row = emotion_row("a", "calm")
    row["tasks"]["emotion"]["reference"] = {"label": "warm"}
    with predictions_csv(tmp_path / "p.csv", [fakes.emotion_task()], RowFacts([], [("a", None)])) as add:
        add(row)
    (line,) = read(tmp_path / "p.csv")
    assert (line["label"], line["reference_label"]) == ("calm", "warm")
    assert "errors" not in line


def test_file_without_a_predicted_clip_has_the_errors(fakes, tmp_path):
    with predictions_csv(tmp_path / "p.csv", [fakes.emotion_task()]) as add:
        add({"id": "bad.wav", "audio": "bad.wav", "error": "is empty"})
    assert [row["error"] for row in read(tmp_path / "p.csv")] == ["is empty"]


@pytest.fixture
def scored(fakes, tmp_path):
    def make(name, rights):
        rows = fakes.prediction_rows(rights)
        path = fakes.write_rows(tmp_path / name / "p.jsonl", [fakes.emotion_task()], rows, name=name)
        return score_predictions(path, resamples=100)

    return make


def test_scores_have_the_numbers_of_the_json(scored, tmp_path):
    scores = scored("first", {"a": 1, "b": 2})
    lines = read(write_scores_csv(tmp_path / "s.csv", scores))
    whole = {line["rate"]: line for line in lines if not line["group_by"]}
    for rate, interval in scores.tasks["emotion"].rates.items():
        if interval.value == interval.value:
            assert float(whole[rate]["value"]) == interval.value
        assert int(whole[rate]["speakers"]) == interval.num_speakers
    grouped = {(line["group_by"], line["group"]) for line in lines if line["group_by"]}
    assert grouped == {
        *((field, value) for field, values in scores.tasks["emotion"].groups.items() for value in values),
        *(("speaker", speaker) for speaker in "ab"),
    }
    rights = {
        line["group"]: float(line["value"]) * int(line["clips"])
        for line in lines
        if (line["group_by"], line["rate"]) == ("speaker", "wa")
    }
    assert rights == {"a": pytest.approx(1), "b": pytest.approx(2)}
    assert {line["reliable"] for line in lines if line["group_by"] == "speaker"} == {""}


def test_comparison_has_differences_from_the_first_model(scored, tmp_path):
    folders = []
    for name, right in (("base", 1), ("more", 2)):
        scores = scored(name, {f"s{k:02d}": right for k in range(12)})
        folders.append(scores.save(tmp_path / name / "scores.json").parent)
    lines = [
        line
        for line in read(write_comparison_csv(tmp_path / "c.csv", compare(folders)))
        if line["rate"] == "wa"
    ]
    assert [line["model"] for line in lines] == ["base", "more"]
    assert lines[0]["difference"] == ""
    assert float(lines[1]["difference"]) == pytest.approx(
        1 / 6
    )  # two of six clips of each speaker against one
