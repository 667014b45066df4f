import pytest

from soritune.inference.predictions import read_predictions
from soritune.reports.players import Players
from soritune.reports.score import score_predictions
from soritune.reports.sections import hours_text, percent, range_text, rates_table, task_section
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.results import Metric


def test_numbers_as_people_read_them():
    assert percent(0.27314) == "27.3 %"
    assert percent(None) == percent(float("nan")) == "–"
    assert range_text({"low": 0.2, "high": 0.355}) == "20.0 – 35.5"
    assert range_text({"low": None, "high": None}) == "–"
    assert (hours_text(0.05), hours_text(2.5)) == ("3.0 min", "2.50 h")


def test_rates_stand_beside_the_baseline_and_the_primary_one_is_marked(fakes, twelve):
    own = score_predictions(twelve / "predictions" / "test.jsonl", resamples=50).tasks["emotion"]
    table = rates_table(fakes.emotion_task(), own)
    assert [column["title"] for column in table["columns"]] == [
        "rate",
        "value",
        "95 % interval",
        "baseline: majority",
    ]
    (primary,) = [row for row in table["rows"] if row["primary"]]
    assert primary["cells"][0]["text"] == "ua"
    assert primary["cells"][3]["text"] == "33.3 %"


class Nats(EmotionTask):
    """Judged by its loss, which is no share."""

    @property
    def primary_metric(self):
        return Metric("loss", higher_is_better=False)


def test_a_primary_rate_that_is_no_share_is_written_as_a_number(twelve):
    path = twelve / "predictions" / "test.jsonl"
    scores = score_predictions(path, resamples=50).tasks["emotion"]
    scores = {**scores, "primary_metric": {"name": "loss", "higher_is_better": False}}
    task = Nats(EmotionConfig(labels=("calm", "tense", "warm")))
    section = task_section(task, scores, read_predictions(path), Players(None))
    # 51 of 72 clips are right with probability 0.8, the others give the right one 0.1:
    # (51 · 0.2231 + 21 · 2.3026) / 72 nats.
    (primary,) = [row["cells"] for row in section["rates"]["rows"] if row["primary"]]
    assert (primary[0]["text"], primary[1]["text"]) == ("loss", "0.8296")
    assert primary[0]["small"] == "mean cross-entropy in nats, every clip alike, labels not smoothed"
    first = section["groups"][0]["rows"][0]["cells"]
    assert "%" not in first[3]["text"] and first[3]["share"] is None
    assert " %<" not in section["figures"]["speakers"]
    scores["primary_metric"] = {"name": "ua", "higher_is_better": True}
    shares = task_section(EmotionTask(task.config), scores, read_predictions(path), Players(None))
    assert " %<" in shares["figures"]["speakers"]


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


@pytest.mark.parametrize("count", [16, 17])
def test_long_tables_fold_unless_little_is_left(fakes, tmp_path, count):
    phones = tuple(f"p{k:02d}" for k in range(count))
    task = fakes.phoneme_task(phones)
    rows = fakes.phoneme_rows({"s": [(" ".join(phones), " ".join(phones))]})
    path = fakes.write_rows(tmp_path / "p.jsonl", [task], rows)
    scores = score_predictions(path, resamples=0)
    table = task_section(task, scores.tasks["phoneme"], read_predictions(path), Players(None))["tables"][0]
    assert (len(table["rows"]), len(table["rest"]["rows"]) if table["rest"] else 0) == (
        (16, 0) if count == 16 else (12, 5)
    )
