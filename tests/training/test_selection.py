from __future__ import annotations

from typing import Any

import pytest

from soritune.errors import TrainingError
from soritune.recipe import make_task
from soritune.training.config import TrainingSettings
from soritune.training.run_progress import Progress
from soritune.training.selection import Selection

TASKS = [make_task("emotion", {"labels": ["a", "b"]}), make_task("phoneme", {})]


def values(loss: float, ua: float, per: float) -> dict[str, float]:
    return {"loss": loss, "emotion/ua": ua, "phoneme/per": per}


def test_best_of_each_metric_is_kept_separately() -> None:
    selection, progress = Selection(TASKS, TrainingSettings()), Progress()
    everything = ["best_loss", "best_emotion_ua", "best_phoneme_per"]
    assert selection.improved(values(1.0, 0.4, 0.9), progress) == everything
    assert selection.improved(values(1.1, 0.5, 0.9), progress) == ["best_emotion_ua"]
    assert selection.improved(values(0.9, 0.45, 0.8), progress) == ["best_loss", "best_phoneme_per"]
    assert progress.best == {"loss": 0.9, "emotion/ua": 0.5, "phoneme/per": 0.8}


def test_each_best_value_has_the_epoch_it_is_of() -> None:
    selection, progress = Selection(TASKS, TrainingSettings()), Progress(steps_of_epoch=4, step_in_epoch=4)
    selection.improved(values(1.0, 0.4, 0.9), progress)  # at the end of the first epoch, which is still open
    progress.epoch, progress.step_in_epoch = 1, 2
    selection.improved(values(1.1, 0.5, 0.9), progress)
    assert progress.best_epochs == {"loss": 1.0, "emotion/ua": 1.5, "phoneme/per": 1.0}


def test_of_equal_rates_the_lower_loss_is_better() -> None:
    selection, progress = Selection(TASKS, TrainingSettings()), Progress()
    selection.improved(values(3.0, 0.0, 1.0), progress)
    assert selection.improved(values(2.0, 0.0, 1.0), progress) == [
        "best_loss",
        "best_emotion_ua",
        "best_phoneme_per",
    ]
    assert selection.improved(values(2.5, 0.0, 1.0), progress) == []


def test_value_that_is_not_a_number_is_never_best() -> None:
    selection, progress = Selection(TASKS, TrainingSettings()), Progress()
    assert selection.improved(values(float("nan"), 0.4, float("nan")), progress) == ["best_emotion_ua"]


def learner(output: str = "both", **train: Any) -> Selection:
    task = make_task("mispronunciation", {"labels": "correct-incorrect", "task": output})
    return Selection([task], TrainingSettings.model_validate(train))


NAMED = {"phoneme_per": "mispronunciation/per", "error_acc": "mispronunciation/error_acc"}


def test_bundles_can_be_named() -> None:
    selection, progress = learner(best=NAMED), Progress()
    assert selection.bundles == {
        "best_loss": "loss",
        "best_mispronunciation_error_f1": "mispronunciation/error_f1",
        "best_phoneme_per": "mispronunciation/per",
        "best_error_acc": "mispronunciation/error_acc",
    }
    first = {"loss": 1.0, "mispronunciation/error_f1": 0.0, "mispronunciation/per": 0.5}
    assert selection.improved({**first, "mispronunciation/error_acc": 0.8}, progress) == list(
        selection.bundles
    )
    worse_by_rate = {"loss": 1.0, "mispronunciation/error_f1": 0.0, "mispronunciation/per": 0.6}
    assert selection.improved({**worse_by_rate, "mispronunciation/error_acc": 0.9}, progress) == [
        "best_error_acc"
    ]


def test_best_mdd_f1_has_the_weights_with_the_highest_f1_of_the_protocol() -> None:
    selection, progress = learner(best={"mdd_f1": "mispronunciation/mdd_f1"}), Progress()
    others = {"loss": 1.0, "mispronunciation/error_f1": 0.0}
    improved = [
        "best_mdd_f1" in selection.improved({**others, "mispronunciation/mdd_f1": value}, progress)
        for value in (0.3, 0.2, float("nan"), 0.35, 0.34)
    ]
    assert improved == [True, False, False, True, False]
    assert "best_mdd_f1" not in learner("error", best={"mdd_f1": "mispronunciation/mdd_f1"}).bundles


@pytest.mark.parametrize(
    ("output", "bundles"),
    [
        ("phoneme", {"best_loss", "best_mispronunciation_mdd_f1", "best_phoneme_per"}),
        ("error", {"best_loss", "best_mispronunciation_error_f1", "best_error_acc"}),
    ],
)
def test_value_of_an_output_that_is_left_out_has_no_bundle(output: str, bundles: set[str]) -> None:
    assert set(learner(output, best=NAMED).bundles) == bundles
    as_list = learner(output, best=["loss/error", "loss/phoneme", *NAMED.values()])
    assert ("best_loss_phoneme" in as_list.bundles) == (output == "phoneme")
    assert ("best_mispronunciation_error_acc" in as_list.bundles) == (output == "error")


def test_early_stopping_on_an_output_that_is_left_out_is_refused() -> None:
    with pytest.raises(
        TrainingError, match="monitor names 'mispronunciation/per', .* leave that output out; known"
    ):
        learner("error", early_stopping={"monitor": "mispronunciation/per"})


def test_one_bundle_name_for_two_values_is_refused() -> None:
    with pytest.raises(TrainingError, match="makes best_loss the best by 'mispronunciation/per'"):
        learner(best={"loss": "mispronunciation/per"})
    with pytest.raises(TrainingError, match="train.best names 'mispronunciation/perr'"):
        learner(best={"phoneme_per": "mispronunciation/perr"})


def test_patience_counts_evaluations_and_the_delta_is_absolute() -> None:
    settings = TrainingSettings.model_validate(
        {"early_stopping": {"monitor": "loss", "patience": 2, "min_delta": 0.005}}
    )
    selection, progress = Selection(TASKS, settings), Progress()
    stale = []
    for loss in (0.500, 0.496, 0.4949, 0.4921, 0.480):
        selection.monitored_improved(values(loss, 0, 0), progress)
        stale.append(progress.stale_evaluations)
    # 0.496 is less than 0.005 below 0.5. 0.4949 is more, and the next values are compared with it.
    assert stale == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("name", "higher"),
    [("loss", False), ("loss/phoneme", False), ("phoneme/per", False), ("phoneme/cer_pron", False),
     ("phoneme/word_phone_er", False), ("emotion/ua", True), ("emotion/macro_f1", True),
     ("mispronunciation/error_ler", False), ("mispronunciation/error_acc", True)],
)  # fmt: skip
def test_direction_of_a_value_depends_on_its_task(name: str, higher: bool) -> None:
    tasks = [*TASKS, make_task("mispronunciation", {"labels": "correct-incorrect"})]
    assert Selection(tasks, TrainingSettings()).higher_is_better(name) is higher


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"best": ["emotion/f1"]}, "train.best names 'emotion/f1'"),
        ({"early_stopping": {"monitor": "emotion/uaa"}}, "train.early_stopping.monitor names 'emotion/uaa'"),
    ],
)
def test_unknown_value_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        Selection(TASKS, TrainingSettings.model_validate(settings))


def test_first_value_that_is_not_a_number_is_replaced() -> None:
    settings = TrainingSettings.model_validate({"early_stopping": {"monitor": "loss", "patience": 2}})
    selection, progress = Selection(TASKS, settings), Progress()
    improved = [selection.monitored_improved(values(x, 0, 0), progress) for x in (float("nan"), 3, 2, 2.5)]
    assert improved == [False, True, True, False]
