import pytest

from soritune.inference.distribution import label_distribution


def row(label, confidence):
    return {"tasks": {"emotion": {"prediction": {"label": label, "confidence": confidence}}}}


def test_counts_shares_and_confidence():
    rows = [row("Kind", 0.9), row("Dry", 0.5), row("Kind", 0.7), {"id": "x", "error": "empty"}]
    found = label_distribution(rows, task="emotion", labels=("Anxious", "Dry", "Kind"))
    assert found.to_json() == {
        "total": 3,
        "counts": {"Anxious": 0, "Dry": 1, "Kind": 2},
        "shares": {"Anxious": 0.0, "Dry": pytest.approx(1 / 3), "Kind": pytest.approx(2 / 3)},
        "mean_confidence": pytest.approx(0.7),
        "mean_confidence_by_label": {"Anxious": None, "Dry": 0.5, "Kind": pytest.approx(0.8)},
    }


def test_nothing_predicted():
    found = label_distribution([], task="emotion", labels=("Dry",))
    assert found.total == 0
    assert found.mean_confidence is None
    assert found.labels[0].share == 0.0


def test_other_tasks_are_left_out():
    assert (
        label_distribution([{"tasks": {"phoneme": {"prediction": {"phones": []}}}}], task="emotion").total
        == 0
    )


def test_confidences_that_are_no_numbers_do_not_count():
    found = label_distribution(
        [row("Kind", 0.5), row("Kind", None), row("Dry", float("nan"))], task="emotion"
    )
    assert (found.total, found.mean_confidence) == (3, 0.5)
    assert {one.label: one.mean_confidence for one in found.labels} == {"Kind": 0.5, "Dry": None}
