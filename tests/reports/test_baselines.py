import pytest

from soritune.reports.baselines import baselines
from soritune.reports.score import _task_scores
from soritune.reports.sections import baseline_notes
from soritune.tasks.task import Pair, Prediction


def emotion_pairs(labels):
    guess = Prediction("emotion", {"label": "calm", "confidence": 1.0})
    return [Pair(str(index), {"label": label}, guess) for index, label in enumerate(labels)]


def test_majority_is_the_most_frequent_reference(fakes):
    (found,) = baselines(fakes.emotion_task(), emotion_pairs(["warm"] * 5 + ["calm"] * 3 + ["tense"] * 2))
    assert found.name == "majority"
    assert "'warm'" in found.description
    assert found.rates["wa"] == pytest.approx(0.5)
    assert found.rates["ua"] == pytest.approx(1 / 3)


def test_saying_nothing_misses_every_phone(fakes):
    said = Prediction("phoneme", {"phones": ["A"]})
    pairs = [
        Pair(str(i), {"phones": phones}, said) for i, phones in enumerate((["A", "B"], ["D"], ["A", "B"]))
    ]
    (found,) = baselines(fakes.phoneme_task(), pairs)
    assert found.name == "empty"
    assert found.rates["per"] == 1.0
    assert found.rates["per_deletions"] == 1.0


def test_differences_are_the_models_minus_the_baselines_over_the_same_speakers(fakes):
    """By hand: each of 12 speakers says one `warm`, which the model gets, and one `calm`, which every second one gets.

    `warm` is answered always, so wa is 0.5 for everybody and the model's is 1 or 0.5: 0.25 more, between 0 and 0.5.
    """
    pairs = []
    for number in range(12):
        for label in ("warm", "calm"):
            right = label == "warm" or number % 2 == 0
            said = Prediction("emotion", {"label": label if right else "tense", "confidence": 1.0})
            pairs.append(Pair(f"{number}{label}", {"label": label}, said, groups={"speaker": str(number)}))
    scores = _task_scores(fakes.emotion_task(), pairs, (), 400, 0)
    found = scores["baselines"]["majority"]["differences"]
    assert found["wa"]["value"] == pytest.approx(0.25)
    assert 0 < found["wa"]["low"] < 0.25 < found["wa"]["high"] < 0.5
    assert found["wa"]["num_speakers"] == 12
    assert "loss" not in found
    assert scores["baselines"]["majority"]["rates"]["wa"] == pytest.approx(0.5)


def test_a_difference_is_told_in_points_and_by_its_side():
    def of(value, low, high, reliable=True):
        difference = {"value": value, "low": low, "high": high, "reliable": reliable}
        baseline = {"differences": {"per": difference}}
        return {"primary_metric": {"name": "per"}, "baselines": {"empty": baseline}}

    assert baseline_notes(of(-0.5, -0.6, -0.45)) == ["per: 50.0 points below empty [45.0, 60.0]"]
    assert baseline_notes(of(0.02, -0.01, 0.05)) == ["per: 2.0 points above empty [-1.0, 5.0]"]
    assert baseline_notes(of(0.0, 0.0, 0.0, False)) == ["per: 0.0 points above empty [0.0, 0.0], unreliable"]
    assert baseline_notes(of(0.02, None, None)) == []


def test_no_pairs_no_baseline(fakes):
    assert baselines(fakes.emotion_task(), []) == []
