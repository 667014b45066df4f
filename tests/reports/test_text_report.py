import pytest

from soritune.reports.score import score_predictions
from soritune.reports.text_report import summary, text_report


@pytest.fixture
def both(fakes, tmp_path):
    """Two speakers, six clips each: emotion is right in 6 + 3 of 12, phones have one of three wrong."""
    rows = fakes.prediction_rows({"s1": 6, "s2": 3})
    phones = fakes.phoneme_rows({name: [("A B D", "A D D")] * 6 for name in ("s1", "s2")})
    for row, other in zip(rows, phones, strict=True):
        row["tasks"] |= other["tasks"]
    tasks = [fakes.emotion_task(), fakes.phoneme_task()]
    return fakes.write_rows(tmp_path / "p.jsonl", tasks, rows, name="toy", data={"split": "val"})


def test_summary_has_every_rate_with_its_usual_name(both):
    emotion, phoneme = summary(score_predictions(both, resamples=0)).split("; ")
    assert emotion.startswith("emotion: accuracy (wa) 0.7500, mean recall (ua) 0.7500, ")
    assert phoneme.startswith("phoneme: phone error rate (per) 0.3333, ")


def test_summary_has_a_dash_for_an_unknown_rate(fakes, tmp_path):
    rows = fakes.prediction_rows({"s1": 6})
    for row in rows:
        prediction = row["tasks"]["emotion"]["prediction"]
        prediction["probabilities"] = dict.fromkeys(prediction["probabilities"], None)
        prediction["confidence"] = None
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task()], rows)
    assert summary(score_predictions(path, resamples=0)).endswith("loss –")


def test_report_has_title_warnings_rates_and_tables(both):
    lines = text_report(score_predictions(both, resamples=20)).splitlines()
    assert lines[0] == "toy, judged on split val"
    assert lines[1].startswith("! 2 known speakers: with fewer than 10")
    assert "emotion: 12 clips, 2 speakers" in lines
    rate = next(line for line in lines if line.startswith("mean recall (ua) "))
    # Value, interval, and the baseline: one of three classes.
    assert rate.split()[2:5] == ["(ua)", "75.0", "%"] and rate.endswith("unreliable              33.3 %")
    assert ["calm", "3", "1", "0"] in [line.split() for line in lines]
    assert not any(
        line.startswith("reference") for line in lines[lines.index("phoneme: 12 clips, 2 speakers") :]
    )


def test_more_classes_than_fit_have_no_tables(fakes, tmp_path, monkeypatch):
    labels = tuple(f"l{k:02d}" for k in range(13))
    rows = fakes.prediction_rows({"s1": 9}, labels=labels, clips=13)
    path = fakes.write_rows(tmp_path / "p.jsonl", [fakes.emotion_task(labels)], rows)
    scores = score_predictions(path, resamples=0)
    assert "reference ↓" not in text_report(scores)
    monkeypatch.setattr("soritune.reports.text_report.CLASSES_SHOWN", 13)
    assert "reference ↓" in text_report(scores)
