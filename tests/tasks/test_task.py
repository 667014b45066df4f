from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError, TaskSettingsError, UnknownNameError
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask
from soritune.tasks.results import Column, Counts, Metric, Pair, Prediction, RateDescription, Section
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task, TaskConfig, is_task, label_fields, make_task, task_kind

EMOTION = EmotionTask(EmotionConfig(labels=("a", "b")))


class Sums(Task):
    """A task whose only rate is the share of right answers, to test the defaults of `Task`."""

    name = "sums"
    Config = TaskConfig
    required_fields = ()

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        return (OutputSpec("x", ("a", "b"), "utterance", "cross_entropy"),)

    @property
    def primary_metric(self) -> Metric:
        return Metric("right", higher_is_better=True)

    def targets(self, utterance: Utterance) -> dict[str, Any]:
        return {"x": None}

    def decode(self, outputs: Any, prompt: str | None = None, decoder: Any = None) -> Prediction:
        return Prediction(self.name, {"label": "a", "score": 1.0})

    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        return None

    def count(self, pair: Pair) -> Counts:
        is_right = pair.prediction.fields["label"] == pair.reference["label"]
        return {"right": np.array(float(is_right)), "all": np.array(1.0)}

    def rates(self, counts: Counts) -> dict[str, float]:
        return {"right": float(counts["right"] / counts["all"]) if counts else math.nan}

    @property
    def rate_descriptions(self) -> dict[str, RateDescription]:
        return {"right": RateDescription("share of right answers", higher_is_better=True)}

    def report(self, pairs: Any) -> Section:
        return Section("Sums")


def pair(reference: str, label: str) -> Pair:
    return Pair("u", {"label": reference}, Prediction("sums", {"label": label}))


def test_score_is_the_rate_of_the_summed_counts() -> None:
    task = Sums()
    assert task.score([pair("a", "a"), pair("b", "a"), pair("a", "a"), pair("b", "b")]) == {"right": 0.75}
    assert math.isnan(task.score([])["right"])


def test_speakers_contribute_to_rates_that_have_a_value() -> None:
    assert Sums().contributes({"right": np.array(0.0), "all": np.array(3.0)}) == {"right": True}
    assert Sums().contributes({}) == {"right": False}


def test_defaults_of_a_task() -> None:
    task = Sums()
    prediction = task.decode({})
    assert task.columns(prediction) == (Column("label", "label"), Column("score", "score"))
    assert (task.inputs, task.guesses()) == ((), ())
    assert task.prepare([]) is task.widest() is task
    assert task.missing_label_reason(Utterance(id="u", audio="u.wav", duration_s=1.0)) is None


def test_direction_of_an_unknown_rate_is_refused_with_the_known_ones() -> None:
    assert Sums().higher_is_better("right")
    with pytest.raises(TaskError, match="the task 'sums' does not describe the rate 'wrong', but: right"):
        Sums().higher_is_better("wrong")


def test_label_fields_of_several_tasks_are_listed_once() -> None:
    class Gender(EmotionTask):
        label_field = "gender"

    tasks = [EMOTION, PhonemeTask(PhonemeConfig()), Gender(EMOTION.config), EmotionTask]
    assert label_fields(tasks) == ("emotion", "gender")
    assert label_fields([]) == ()


def test_only_subclasses_of_task_are_tasks() -> None:
    assert is_task(EmotionTask)
    assert not is_task(EMOTION)
    assert not is_task(TaskConfig)


def test_task_is_found_by_name() -> None:
    assert task_kind("emotion") is EmotionTask
    for name in ("task", "specs", "results", "parts", "emotions"):
        with pytest.raises(
            UnknownNameError,
            match=f"unknown task '{name}'; known: emotion, emotion-multilabel, mispronunciation, ",
        ):
            task_kind(name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("TASK = 5\n", "'voice' of soritune.tasks is 5; it must be a subclass of Task"),
        (
            "from soritune.tasks.emotion import EmotionTask\n\nTASK = EmotionTask\n",
            "the task 'voice' calls itself 'emotion'",
        ),
    ],
)
def test_member_that_is_not_a_task_or_has_another_name_is_refused(
    source: str, message: str, external_package: Callable[[str, str, str], Path]
) -> None:
    external_package("soritune.tasks", "voice", source)
    with pytest.raises(TaskError, match=message):
        task_kind("voice")


def test_task_is_made_again_from_its_stored_settings() -> None:
    task = make_task("emotion", EMOTION.config.model_dump(mode="json"))
    assert isinstance(task, EmotionTask)
    assert task.config == EMOTION.config


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown task 'emotoin'.*did you mean 'emotion'"):
        make_task("emotoin", {})


def test_every_fault_of_the_settings_is_named() -> None:
    with pytest.raises(TaskSettingsError) as raised:
        make_task("emotion", {"lables": ["a", "b"], "class_weights": "some"})
    assert isinstance(raised.value, TaskError)
    assert raised.value.task == "emotion"
    assert {fault.split(":")[0] for fault in raised.value.faults} >= {"lables", "class_weights"}
    assert str(raised.value).startswith("settings of the task emotion: ")


def test_the_paths_of_faults_begin_with_the_place() -> None:
    with pytest.raises(TaskSettingsError) as raised:
        make_task("emotion", {"labels": ["one"]}, "tasks.emotion")
    assert all(fault.startswith("tasks.emotion.labels: ") for fault in raised.value.faults)


@pytest.mark.parametrize("config", [5, ["labels"], None])
def test_settings_that_are_not_a_mapping_are_refused(config: object) -> None:
    with pytest.raises(TaskSettingsError, match="must be a mapping of settings"):
        make_task("emotion", config)  # type: ignore[arg-type]
