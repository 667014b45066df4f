import numpy as np
import pytest

from soritune.reports.baselines import baselines
from soritune.reports.score import _task_scores
from soritune.reports.sections import baseline_notes
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.results import Metric, Pair, Prediction, RateDescription


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


class Distance(EmotionTask):
    """Judged by how far the label is off in the order of the labels: no share, and lower is better."""

    @property
    def primary_metric(self):
        return Metric("steps", higher_is_better=False)

    @property
    def rate_descriptions(self):
        return {"steps": RateDescription("mean distance", higher_is_better=False, is_share=False)}

    def rates(self, counts):
        confusion = counts.get("confusion", np.full((3, 3), np.nan))
        return {
            "steps": float(
                (confusion * np.abs(np.subtract.outer(range(3), range(3)))).sum() / confusion.sum()
            )
        }


def test_the_best_constant_answer_is_the_one_with_the_lowest_error():
    task = Distance(EmotionConfig(labels=("calm", "tense", "warm")))
    # By hand: always calm is (2·0 + 4·2)/6 steps off in the mean, always tense 6/6, always warm (2·2 + 4·0)/6.
    truth = ["calm", "calm", "warm", "warm", "warm", "warm"]
    pairs = [Pair(str(k), {"label": label}, Prediction("emotion", {})) for k, label in enumerate(truth)]
    (majority,) = baselines(task, pairs)
    assert "always 'warm'" in majority.description
    assert majority.rates == {"steps": pytest.approx(4 / 6)}


def test_a_difference_that_is_no_share_has_no_points():
    task = Distance(EmotionConfig(labels=("calm", "tense", "warm")))
    difference = {"value": -0.5, "low": -0.61234, "high": -0.4, "reliable": True}
    scores = {
        "primary_metric": {"name": "steps"},
        "baselines": {"majority": {"differences": {"steps": difference}}},
    }
    assert baseline_notes(task, scores) == ["steps: 0.5000 below majority [0.4000, 0.6123]"]


def test_a_difference_is_told_in_points_and_by_its_side(fakes):
    task = fakes.phoneme_task()

    def of(value, low, high, reliable=True):
        difference = {"value": value, "low": low, "high": high, "reliable": reliable}
        baseline = {"differences": {"per": difference}}
        return {"primary_metric": {"name": "per"}, "baselines": {"empty": baseline}}

    assert baseline_notes(task, of(-0.5, -0.6, -0.45)) == ["per: 50.0 points below empty [45.0, 60.0]"]
    assert baseline_notes(task, of(0.02, -0.01, 0.05)) == ["per: 2.0 points above empty [-1.0, 5.0]"]
    assert baseline_notes(task, of(0.0, 0.0, 0.0, False)) == [
        "per: 0.0 points above empty [0.0, 0.0], unreliable"
    ]
    assert baseline_notes(task, of(0.02, None, None)) == []


def test_no_pairs_no_baseline(fakes):
    assert baselines(fakes.emotion_task(), []) == []
