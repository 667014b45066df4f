import numpy as np
import pytest

from soritune.reports.baselines import baselines
from soritune.reports.score import CountedPairs
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.results import Metric, Pair, Prediction, RateDescription


def emotion_pairs(labels):
    guess = Prediction("emotion", {"label": "calm", "confidence": 1.0})
    return [Pair(str(index), {"label": label}, guess) for index, label in enumerate(labels)]


def test_majority_is_the_most_frequent_reference(fakes):
    pairs = emotion_pairs(["warm"] * 5 + ["calm"] * 3 + ["tense"] * 2)
    results = baselines(fakes.emotion_task(), pairs)
    assert list(results) == ["majority"]
    majority = results["majority"]
    assert "'warm'" in majority.description
    assert majority.rates["wa"] == pytest.approx(0.5)
    assert majority.rates["ua"] == pytest.approx(1 / 3)


def test_empty_answer_misses_every_phone(fakes):
    prediction = Prediction("phoneme", {"phones": ["A"]})
    references = (["A", "B"], ["D"], ["A", "B"])
    pairs = [Pair(str(i), {"phones": phones}, prediction) for i, phones in enumerate(references)]
    results = baselines(fakes.phoneme_task(), pairs)
    assert list(results) == ["empty"]
    assert results["empty"].rates["per"] == 1.0
    assert results["empty"].rates["per_deletions"] == 1.0


def test_differences_are_the_models_minus_the_baselines_over_the_same_speakers(fakes):
    """By hand: each of 12 speakers speaks one `warm`, which the model recognises, and one `calm`, which it recognises
    for every second speaker.

    The baseline always answers `warm`, so its wa is 0.5 for every speaker. The model's is 1 or 0.5: 0.25 more on
    average, between 0 and 0.5.
    """
    pairs = []
    for number in range(12):
        for label in ("warm", "calm"):
            right = label == "warm" or number % 2 == 0
            prediction = Prediction("emotion", {"label": label if right else "tense", "confidence": 1.0})
            groups = {"speaker": str(number)}
            pairs.append(Pair(f"{number}{label}", {"label": label}, prediction, groups=groups))
    scores = CountedPairs.of(fakes.emotion_task(), pairs, 400, 0).scores((), num_unlabelled=0)
    majority = scores.baselines["majority"]
    assert majority.rates["wa"] == pytest.approx(0.5)
    difference = majority.differences["wa"]
    assert difference.value == pytest.approx(0.25)
    assert 0 < difference.low < 0.25 < difference.high < 0.5
    assert difference.num_speakers == 12
    assert "loss" not in majority.differences


class Distance(EmotionTask):
    """Judged by how far the label is off in the order of the labels: not a share, and lower is better."""

    @property
    def primary_metric(self):
        return Metric("steps", higher_is_better=False)

    @property
    def rate_descriptions(self):
        return {"steps": RateDescription("mean distance", higher_is_better=False, is_share=False)}

    def rates(self, counts):
        confusion = counts.get("confusion", np.full((3, 3), np.nan))
        distance = np.abs(np.subtract.outer(range(3), range(3)))
        return {"steps": float((confusion * distance).sum() / confusion.sum())}


def test_best_constant_answer_has_the_lowest_error():
    task = Distance(EmotionConfig(labels=("calm", "tense", "warm")))
    # By hand, in steps off on average: always calm (2·0 + 4·2)/6, always tense 6/6, always warm (2·2 + 4·0)/6.
    truth = ["calm", "calm", "warm", "warm", "warm", "warm"]
    pairs = [Pair(str(k), {"label": label}, Prediction("emotion", {})) for k, label in enumerate(truth)]
    majority = baselines(task, pairs)["majority"]
    assert "always 'warm'" in majority.description
    assert majority.rates == {"steps": pytest.approx(4 / 6)}


def test_no_pairs_have_no_baseline(fakes):
    assert baselines(fakes.emotion_task(), []) == {}
