from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.reports.baselines import baselines
from soritune.tasks.emotion_multilabel import OUTPUT, EmotionMultilabelTask
from soritune.tasks.mixable import unmixable_parts
from soritune.tasks.results import Pair

LABELS = ["joy", "surprise", "anger"]


def task(**settings: Any) -> EmotionMultilabelTask:
    return EmotionMultilabelTask(EmotionMultilabelTask.Config.model_validate({"labels": LABELS, **settings}))


def row(emotion: str | None = None, **extra: Any) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=1.0, emotion=emotion, extra=extra)


def target_of(judge: EmotionMultilabelTask, utterance: Utterance) -> list[float] | None:
    target = judge.targets(utterance)[OUTPUT]
    return None if target is None else target.tolist()


def test_targets_come_from_texts_and_lists() -> None:
    assert target_of(task(), row("joy|anger")) == [1, 0, 1]
    assert target_of(task(), row("surprise")) == [0, 1, 0]
    assert target_of(task(column="emotions"), row(emotions=["anger", "joy"])) == [1, 0, 1]
    assert target_of(task(column="emotions"), row(emotions=[])) == [0, 0, 0]
    assert target_of(task(column="emotions"), row("joy")) is None
    assert task().reference(row("anger|joy")) == {"labels": ["joy", "anger"]}
    with pytest.raises(TaskError, match="'sad' is not in the label set"):
        task().targets(row("joy|sad"))


RATED = row("anger", ratings=[["joy", "surprise"], ["joy"], "surprise", []])
"""Four raters: joy and surprise by two of them each; the last one gave no label."""


def test_ratings_become_shares() -> None:
    assert target_of(task(ratings="ratings", target="soft"), RATED) == [0.5, 0.5, 0]
    assert target_of(task(ratings="ratings"), RATED) == [1, 1, 0]
    assert target_of(task(ratings="ratings", share=0.6), RATED) == [0, 0, 0]
    assert target_of(task(ratings="ratings"), row("anger")) == [0, 0, 1]  # without ratings, the column
    thirds = row(one="joy|anger", two="joy", three="anger")
    assert target_of(task(ratings=["one", "two", "three"], share=2 / 3), thirds) == [1, 0, 1]
    assert task(ratings="ratings", share=0.5).reference(RATED) == {"labels": ["joy", "surprise"]}


def test_labels_are_renamed_and_left_out() -> None:
    judge = task(rename={"glad": "joy", "happy": "joy"}, leave_out=["neutral"])
    assert target_of(judge, row("glad|happy|neutral")) == [1, 0, 0]
    neutral = row("neutral")
    assert judge.leaves_out(neutral) and judge.reference(neutral) is None
    assert judge.missing_label_reason(neutral) == "has only labels that are left out, in emotion"
    assert judge.missing_label_reason(row()) == "has no labels in emotion" and not judge.leaves_out(row())


def decoded(judge: EmotionMultilabelTask, probabilities: np.ndarray) -> Any:
    return judge.decode({OUTPUT: np.log(probabilities).astype(np.float32)})


def test_every_label_with_enough_probability_is_predicted() -> None:
    fields = decoded(task(), np.array([0.7, 0.5000001, 0.2])).fields
    assert fields["labels"] == ["joy", "surprise"]
    assert fields["probabilities"] == pytest.approx({"joy": 0.7, "surprise": 0.5, "anger": 0.2}, abs=1e-5)
    assert decoded(task(threshold=0.8), np.array([0.7, 0.5, 0.2])).fields["labels"] == []


def drawn() -> tuple[np.ndarray, np.ndarray, list[Pair]]:
    rng = np.random.default_rng(0)
    truth = rng.random((50, 3)) < [0.5, 0.3, 0.2]
    scores = np.clip(0.4 * truth + 0.7 * rng.random((50, 3)), 0.01, 0.99)
    pairs = [
        Pair(
            str(i),
            {"labels": [label for label, holds in zip(LABELS, t, strict=True) if holds]},
            decoded(task(), s),
        )
        for i, (t, s) in enumerate(zip(truth, scores, strict=True))
    ]
    return truth, scores, pairs


def test_rates_are_scikit_learns_and_the_loss_torchs() -> None:
    torch = pytest.importorskip("torch")
    truth, scores, pairs = drawn()
    rates = task().score(pairs)
    assert rates["macro_f1"] == pytest.approx(f1_score(truth, scores >= 0.5, average="macro"))
    assert rates["micro_f1"] == pytest.approx(f1_score(truth, scores >= 0.5, average="micro"))
    assert rates["subset_accuracy"] == pytest.approx(accuracy_score(truth, scores >= 0.5))
    expected = torch.nn.functional.binary_cross_entropy(
        torch.tensor(scores), torch.tensor(truth, dtype=torch.float64)
    )
    assert rates["loss"] == pytest.approx(float(expected), rel=1e-5)
    (table,) = task().report(pairs).tables
    precision = [average_precision_score(truth[:, i], scores[:, i]) for i in range(3)]
    assert [row[-1] for row in table.rows] == pytest.approx(precision)
    assert f"Mean average precision: {100 * np.mean(precision):.1f} %" in table.note


def test_loss_of_a_certain_error_is_finite() -> None:
    judge = task()
    pair = Pair("a", {"labels": ["joy"]}, decoded(judge, np.array([1e-30, 1.0, 0.5])))
    assert judge.score([pair])["loss"] == pytest.approx((2 * 27.63 + math.log(2)) / 3, abs=0.01)


def test_baselines_are_no_label_every_label_and_the_prevalence() -> None:
    judge = task().prepare([row("joy"), row("joy|anger"), row("surprise"), row("joy"), row()])
    assert judge.config.prevalence == pytest.approx((0.75, 0.25, 0.25))
    assert type(judge)(judge.config).guesses()[1].name == "prevalence"
    pairs = [Pair("a", {"labels": ["joy"]}, decoded(judge, np.array([0.9, 0.2, 0.1])))]
    found = baselines(judge, pairs)
    assert list(found) == ["empty", "all", "prevalence"]
    assert [found[name].rates["micro_f1"] for name in found] == pytest.approx([0, 0.5, 1])
    assert found["prevalence"].rates["loss"] == pytest.approx(-3 * math.log(0.75) / 3)
    assert "loss" not in found["empty"].rates


def test_labels_in_tables_are_those_that_hold() -> None:
    assert task().table_labels(row("anger|joy")) == ("joy", "anger")
    assert task().written_labels(row("anger|joy")) == ("anger", "joy")
    assert task().table_labels(row("sad")) == () and not task().single_label


def test_settings_of_ratings_have_no_effect_without_ratings() -> None:
    assert set(task().config.idle_settings()) == {"target", "share"}
    assert task(ratings="ratings").config.idle_settings() == {}
    assert unmixable_parts([task()]) == []
