import pytest

from soritune.inference.distribution import Distribution, LabelShare, label_distribution


def row(label, confidence):
    return {"tasks": {"emotion": {"prediction": {"label": label, "confidence": confidence}}}}


def test_counts_shares_and_confidence():
    rows = [row("Kind", 0.9), row("Dry", 0.5), row("Kind", 0.7), {"id": "x", "error": "empty"}]
    distribution = label_distribution(rows, task="emotion", labels=("Anxious", "Dry", "Kind"))
    assert distribution.to_json() == {
        "total": 3,
        "counts": {"Anxious": 0, "Dry": 1, "Kind": 2},
        "shares": {"Anxious": 0.0, "Dry": pytest.approx(1 / 3), "Kind": pytest.approx(2 / 3)},
        "mean_confidence": pytest.approx(0.7),
        "mean_confidence_by_label": {"Anxious": None, "Dry": 0.5, "Kind": pytest.approx(0.8)},
    }


def test_no_rows_have_shares_of_zero():
    distribution = label_distribution([], task="emotion", labels=("Dry",))
    assert distribution.total == 0
    assert distribution.mean_confidence is None
    assert distribution.labels[0].share == 0.0


def test_rows_of_other_tasks_are_ignored():
    rows = [{"tasks": {"phoneme": {"prediction": {"phones": []}}}}]
    assert label_distribution(rows, task="emotion").total == 0


def test_missing_and_infinite_confidences_are_left_out_of_the_mean():
    distribution = label_distribution(
        [row("Kind", 0.5), row("Kind", None), row("Dry", float("nan")), row("Dry", float("inf"))],
        task="emotion",
    )
    assert (distribution.total, distribution.mean_confidence) == (4, 0.5)
    assert {share.label: share.mean_confidence for share in distribution.labels} == {"Kind": 0.5, "Dry": None}


def test_clips_without_speech_and_uncertain_labels_are_in_no_share():
    def row(label, confidence, **marks):
        prediction = {"label": label, "confidence": confidence, **marks}
        return {"tasks": {"emotion": {"prediction": prediction}}}

    rows = [
        row("sad", 1.0) | {"no_speech": True},
        row("sad", 0.9),
        row("glad", 0.3, uncertain=True),
        row("glad", 0.7),
        row("glad", 0.8, uncertain=True) | {"no_speech": True},
    ]
    distribution = label_distribution(rows, task="emotion", labels=("sad", "glad"))
    assert distribution.counts == {"sad": 1, "glad": 1}
    assert (distribution.total, distribution.no_speech, distribution.uncertain) == (2, 2, 1)
    assert distribution.mean_confidence == 0.8
    assert {key: distribution.to_json()[key] for key in ("no_speech", "uncertain")} == {
        "no_speech": 2,
        "uncertain": 1,
    }


def test_distribution_is_shown_as_a_line_per_label() -> None:
    rows = (LabelShare("calm", 3, 0.75, 0.5), LabelShare("tense", 1, 0.25, None))
    assert repr(Distribution(4, 0.5, rows, no_speech=2)).splitlines() == [
        "4 predictions",
        "calm        3   75.0 %  confidence 0.500",
        "tense       1   25.0 %",
        "2 without speech",
    ]
