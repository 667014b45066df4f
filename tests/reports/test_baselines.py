import pytest

from soritune.reports.baselines import baselines
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


def test_no_pairs_no_baseline(fakes):
    assert baselines(fakes.emotion_task(), []) == []
