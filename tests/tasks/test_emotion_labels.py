from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.tasks.emotion import EmotionTask
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.results import Pair, Prediction

LABELS = ["Anxious", "Kind", "Dry"]


def task(target: str | None = "soft", **settings: Any) -> EmotionTask:
    config = {"labels": LABELS, "rated_target": target, **settings}
    return EmotionTask(EmotionTask.Config.model_validate(config))


def row(*ratings: object, emotion: str | None = None) -> Utterance:
    return Utterance(id="a", audio="a.wav", duration_s=1.0, emotion=emotion, extra={"ratings": list(ratings)})


def target_of(judge: EmotionTask, utterance: Utterance) -> list[float] | None:
    target = judge.targets(utterance)["emotion"]
    return None if target is None else target.tolist()


FOUR = row("Kind", "Kind", "Dry", "Kind")
TIED = row("Kind", "Dry", emotion="Dry")


def test_soft_targets_are_shares_and_majority_is_one_hot() -> None:
    assert target_of(task("soft"), FOUR) == [0, 0.75, 0.25]
    assert target_of(task("majority"), FOUR) == [0, 1, 0]
    assert target_of(task(None), FOUR) is None
    assert task("soft").reference(FOUR) == {"label": "Kind", "ratings": {"Kind": 3, "Dry": 1}}
    assert task("majority").reference(FOUR) == task("soft").reference(FOUR)


def test_ties_have_soft_targets_and_no_label() -> None:
    assert target_of(task("soft"), TIED) == [0, 0.5, 0.5]
    assert task("soft").reference(TIED) == {"label": None, "ratings": {"Kind": 1, "Dry": 1}}
    judge = task("majority")
    assert target_of(judge, TIED) is None and judge.reference(TIED) is None
    assert (
        judge.missing_label_reason(TIED)
        == "has 2 ratings that are tied between Kind and Dry (tasks.emotion.ties)"
    )
    assert not judge.leaves_out(TIED) and task("majority", ties="leave_out").leaves_out(TIED)
    assert task("soft").missing_label_reason(TIED) is None


def test_ties_may_be_resolved_by_the_column_emotion() -> None:
    judge = task("majority", ties="emotion")
    assert target_of(judge, TIED) == [0, 0, 1]
    assert judge.reference(row("Kind", "Dry", emotion="Anxious")) is None  # not one of the tied classes
    assert judge.reference(row("Kind", "Dry")) is None


@pytest.mark.parametrize("target", ["soft", "majority"])
def test_rows_without_ratings_have_the_label_of_the_column(target: str) -> None:
    judge = task(target)
    assert target_of(judge, row(None, emotion="Dry")) == [0, 0, 1]
    assert judge.reference(row(emotion="Dry")) == {"label": "Dry"}
    assert judge.needed_fields == () and task(None).needed_fields == ("emotion",)
    assert judge.missing_label_reason(row()) == "has neither a rating in ratings nor an emotion"
    assert judge.reference(row()) is None and not judge.leaves_out(row())


def test_rows_of_which_every_rating_is_left_out_are_left_out_on_purpose() -> None:
    judge = task("soft", labels=["Kind", "Dry"], leave_out=["Anxious"], ties="emotion")
    only = row("Anxious", "Anxious", emotion="Kind")
    assert judge.leaves_out(only) and judge.reference(only) is None and target_of(judge, only) is None
    assert target_of(judge, row("Anxious", "Kind")) == [1, 0]


@pytest.mark.parametrize("target", ["soft", "majority"])
def test_balanced_weights_of_mass_equal_numbers_by_hand(target: str) -> None:
    rows = [row("Anxious"), FOUR, FOUR, row("Dry", "Dry")]
    mass = np.array([1, 1.5, 1.5]) if target == "soft" else np.array([1.0, 2.0, 1.0])
    prepared = task(target, class_weights="balanced").prepare(rows)
    assert prepared.outputs[0].options["class_weights"] == pytest.approx((4 / (3 * mass)).tolist())


def test_soft_loss_equals_numbers_by_hand() -> None:
    judge = task("soft")
    fields = {
        "label": "Kind",
        "confidence": 0.5,
        "probabilities": {"Anxious": 0.25, "Kind": 0.5, "Dry": 0.25},
    }
    references = [judge.reference(each) for each in (FOUR, TIED, row(emotion="Kind"))]
    pairs = [
        Pair(str(i), r, Prediction("emotion", fields)) for i, r in enumerate(references) if r is not None
    ]
    rates = judge.score(pairs)
    # 0.75 ln 2 + 0.25 ln 4, 0.5 ln 2 + 0.5 ln 4, ln 2
    assert rates["soft_loss"] == pytest.approx(math.log(2) * (1.25 + 1.5 + 1) / 3)
    assert rates["loss"] == pytest.approx(math.log(2))  # of the two with a majority
    assert rates["wa"] == 1.0
    assert set(rates) == set(judge.rate_descriptions)
    assert "soft_loss" not in task(None).rate_descriptions
    assert any("1 of 3 clips have ratings without a majority" in text for text in judge.score_warnings(pairs))


def test_soft_loss_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    judge, rng = task("soft"), np.random.default_rng(0)
    logits, shares = (
        torch.tensor(rng.normal(size=(6, 3)), dtype=torch.float32),
        rng.multinomial(4, [0.5, 0.3, 0.2], 6),
    )
    pairs = [
        Pair(
            "u",
            {"label": None, "ratings": dict(zip(LABELS, map(int, votes), strict=True))},
            judge.decode({"emotion": torch.log_softmax(each, 0).numpy()}),
        )
        for each, votes in zip(logits, shares, strict=True)
    ]
    expected = float(torch.nn.functional.cross_entropy(logits, torch.tensor(shares / 4, dtype=torch.float32)))
    assert judge.score(pairs)["soft_loss"] == pytest.approx(expected, rel=1e-5)


def test_soft_targets_may_be_smoothed_and_mixed() -> None:
    """Smoothing by 0.1 of [0, 0.75, 0.25]: a tenth of the mass in three equal parts."""
    (spec,) = task("soft").outputs
    objective = objective_of(spec)
    target = task("soft").targets(FOUR)["emotion"]
    padded = objective.pad(spec, [target], np.array([5]), label_smoothing=0.1)
    np.testing.assert_allclose(padded.values, [[1 / 30, 0.675 + 1 / 30, 0.225 + 1 / 30]], rtol=1e-6)
    assert objective.is_mixable(spec)


def test_class_weights_count_the_mass_of_soft_targets() -> None:
    """0.75 of Kind with weight 1 and 0.25 of Dry with weight 4; mixed evenly with Anxious of weight 2, half of each."""
    (spec,) = task("soft", class_weights=[2, 1, 4]).outputs
    objective, target = objective_of(spec), task("soft").targets(FOUR)["emotion"]
    assert target is not None
    assert objective.pad(spec, [target], np.array([5])).count == pytest.approx(0.75 + 1.0)
    mixed = 0.5 * target + 0.5 * np.array([1, 0, 0], dtype=np.float32)
    assert objective.pad(spec, [mixed], np.array([5])).count == pytest.approx(0.875 + 1.0)


def test_low_agreement_of_training_rows_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        task("soft").prepare([FOUR, TIED, row("Anxious", "Dry"), row("Kind", "Anxious")])
    assert "The raters agree little: Krippendorff's alpha is" in caplog.text
    with pytest.raises(TaskError, match="no row of the training split has ratings in votes"):
        task("soft", ratings="votes").prepare([FOUR])


def test_report_has_agreement_only_with_ratings() -> None:
    judge = task("majority")
    prediction = Prediction("emotion", {"label": "Kind", "confidence": 1.0})
    rated = [Pair("a", {"label": "Kind", "ratings": {"Kind": 3, "Dry": 1}}, prediction)]
    table = judge.report(rated).tables[-1]
    assert table.title == "Agreement of the raters" and "tied ratings" in table.note
    unrated = [Pair("a", {"label": "Kind"}, prediction)]
    assert [table.title for table in judge.report(unrated).tables] == ["Per class"]


def test_faulty_ratings_have_no_labels_in_tables() -> None:
    judge = task("soft")
    faulty = row({"label": "Kind"})
    assert judge.table_labels(faulty) == judge.written_labels(faulty) == ()
    assert judge.table_labels(FOUR) == ("Kind",) and judge.table_labels(TIED) == ()
    assert set(judge.written_labels(FOUR)) == {"Kind", "Dry"}
