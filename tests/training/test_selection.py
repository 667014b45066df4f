from __future__ import annotations

from typing import Any

import pytest

from soritune.errors import TrainingError
from soritune.recipe import make_task
from soritune.training.checkpoint import Progress
from soritune.training.config import TrainingSettings
from soritune.training.selection import Selection, higher_is_better

TASKS = [make_task("emotion", {"labels": ["a", "b"]}), make_task("phoneme", {})]


def values(loss: float, ua: float, per: float) -> dict[str, float]:
    return {"loss": loss, "emotion/ua": ua, "phoneme/per": per}


def test_the_best_of_each_metric_is_kept_apart() -> None:
    selection, progress = Selection(TASKS, TrainingSettings()), Progress()
    assert selection.improved(values(1.0, 0.4, 0.9), progress) == ["loss", "emotion/ua", "phoneme/per"]
    assert selection.improved(values(1.1, 0.5, 0.9), progress) == ["emotion/ua"]
    assert selection.improved(values(0.9, 0.5, 0.8), progress) == ["loss", "phoneme/per"]
    assert progress.best == {"loss": 0.9, "emotion/ua": 0.5, "phoneme/per": 0.8}


def test_what_is_not_a_number_is_never_best() -> None:
    selection, progress = Selection(TASKS, TrainingSettings()), Progress()
    assert selection.improved(values(float("nan"), 0.4, float("nan")), progress) == ["emotion/ua"]


def test_patience_counts_evaluations_and_the_delta_is_absolute() -> None:
    settings = TrainingSettings.model_validate(
        {"early_stopping": {"monitor": "loss", "patience": 2, "min_delta": 0.005}}
    )
    selection, progress = Selection(TASKS, settings), Progress()
    stale = []
    for loss in (0.500, 0.496, 0.4949, 0.4921, 0.480):
        selection.monitored_improved(values(loss, 0, 0), progress)
        stale.append(progress.stale_evaluations)
    # 0.496 is no 0.005 below 0.5; 0.4949 is, and becomes the mark.
    assert stale == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("name", "higher"),
    [("loss", False), ("loss/phoneme", False), ("phoneme/per", False), ("phoneme/cer_pron", False),
     ("phoneme/word_phone_er", False), ("emotion/ua", True), ("emotion/macro_f1", True)],
)  # fmt: skip
def test_which_way_is_better(name: str, higher: bool) -> None:
    assert higher_is_better(name) is higher


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"best": ["emotion/f1"]}, "train.best names 'emotion/f1'"),
        ({"early_stopping": {"monitor": "emotion/uaa"}}, "train.early_stopping.monitor names 'emotion/uaa'"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_trained(
    settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        Selection(TASKS, TrainingSettings.model_validate(settings))


def test_a_first_value_that_is_no_number_is_no_mark() -> None:
    settings = TrainingSettings.model_validate({"early_stopping": {"monitor": "loss", "patience": 2}})
    selection, progress = Selection(TASKS, settings), Progress()
    improved = [selection.monitored_improved(values(x, 0, 0), progress) for x in (float("nan"), 3, 2, 2.5)]
    assert improved == [False, True, True, False]
