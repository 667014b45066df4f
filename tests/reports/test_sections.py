from dataclasses import replace

from soritune.inference.predictions import read_predictions
from soritune.reports.players import Players
from soritune.reports.score import score_predictions
from soritune.reports.sections import task_section
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.results import Metric


class Nats(EmotionTask):
    """Judged by its loss, which is not a share."""

    @property
    def primary_metric(self):
        return Metric("loss", higher_is_better=False)


def test_primary_rate_that_is_not_a_share_is_written_as_a_number(twelve):
    path = twelve / "predictions" / "test.jsonl"
    scores = score_predictions(path, resamples=50).tasks["emotion"]
    scores = replace(scores, primary_metric=Metric("loss", higher_is_better=False))
    task = Nats(EmotionConfig(labels=("calm", "tense", "warm")))
    section = task_section(task, scores, read_predictions(path), Players(None))
    # 51 of 72 clips are right with probability 0.8, the others give the right one 0.1:
    # (51 · 0.2231 + 21 · 2.3026) / 72 nats.
    (primary,) = [row["cells"] for row in section["rates"]["rows"] if row["primary"]]
    assert (primary[0]["text"], primary[1]["text"]) == ("loss", "0.8296")
    assert primary[0]["small"] == "mean cross-entropy in nats, every clip alike, labels not smoothed"
    first = section["groups"][0]["rows"][0]["cells"]
    assert "%" not in first[3]["text"] and first[3]["share"] is None
    assert not any(" %<" in svg for svg in section["figures"]["speakers"])
    scores = replace(scores, primary_metric=Metric("ua", higher_is_better=True))
    shares = task_section(EmotionTask(task.config), scores, read_predictions(path), Players(None))
    assert all(" %<" in svg for svg in shares["figures"]["speakers"])


def test_most_confident_errors_come_first(fakes, tmp_path):
    rows = fakes.prediction_rows({f"s{k:02d}": 5 for k in range(12)})
    wrong = [row["tasks"]["emotion"]["prediction"] for row in rows[5::6]]
    for index, prediction in enumerate(wrong):
        prediction["confidence"] = 0.5 + index / 100
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    scores = score_predictions(path, resamples=20)
    section = task_section(
        fakes.emotion_task(), scores.tasks["emotion"], read_predictions(path), Players(None)
    )
    assert [row["confidence"] for row in section["errors"][:2]] == ["61.0 %", "60.0 %"]
    assert len(section["errors"]) == 8
    assert all(row["reference"] != row["predicted"] for row in section["errors"])


def test_recordings_that_were_cut_have_timelines_wrong_ones_first(fakes, tmp_path):
    rows = fakes.prediction_rows({"s00": 4})
    for index, row in enumerate(rows):
        prediction = row["tasks"]["emotion"]["prediction"]
        row["duration_s"] = 40.0 + index
        row["windows"] = [
            {"start_s": 20.0 * k, "end_s": 20.0 * (k + 1), "tasks": {"emotion": prediction}} for k in range(2)
        ]
    del rows[0]["windows"]
    path = fakes.write_rows(tmp_path / "test.jsonl", [fakes.emotion_task()], rows, data={"split": "test"})
    scores = score_predictions(path, resamples=50).tasks["emotion"]
    part = task_section(fakes.emotion_task(), scores, read_predictions(path), Players(None))["timelines"]
    assert [item["id"] for item in part["recordings"]] == ["s00_5", "s00_4", "s00_3", "s00_2", "s00_1"]
    assert part["note"] == "5 recordings predicted in windows; wrong ones first, then by length."
    (bar,) = part["recordings"][0]["lines"][0]["tracks"][0]["bars"]
    assert bar["colour"] == part["colours"][part["recordings"][0]["predicted"]]
    for row in rows:
        row.pop("windows", None)
    fakes.write_rows(path, [fakes.emotion_task()], rows, data={"split": "test"})
    assert (
        task_section(fakes.emotion_task(), scores, read_predictions(path), Players(None))["timelines"] is None
    )


def test_recordings_with_tied_ratings_are_not_among_the_wrong_timelines(fakes, tmp_path):
    """Rows 4 and 5 are wrong; the ratings of the longest one are tied, so no label of it is wrong."""
    labels = ("calm", "tense", "warm")
    task = EmotionTask(EmotionConfig(labels=labels, ratings=("raters",), rated_target="soft"))
    rows = fakes.prediction_rows({"s00": 4})
    for index, row in enumerate(rows):
        answer = row["tasks"]["emotion"]
        answer["reference"] = {
            "label": answer["reference"]["label"],
            "ratings": {answer["reference"]["label"]: 2},
        }
        row["duration_s"] = 40.0 + index
        row["windows"] = [{"start_s": 0.0, "end_s": 20.0, "tasks": {"emotion": answer["prediction"]}}]
    rows[5]["tasks"]["emotion"]["reference"] = {"label": None, "ratings": {"calm": 1, "warm": 1}}
    path = fakes.write_rows(tmp_path / "test.jsonl", [task], rows, data={"split": "test"})
    scores = score_predictions(path, resamples=20).tasks["emotion"]
    part = task_section(task, scores, read_predictions(path), Players(None))["timelines"]
    assert [item["id"] for item in part["recordings"]][:2] == ["s00_4", "s00_5"]
    assert part["recordings"][1]["reference"] == "(tied ratings)"
