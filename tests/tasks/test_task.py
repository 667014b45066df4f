"""A task is made from settings, and faulty settings are all named."""

from __future__ import annotations

import pytest

from soritune.errors import TaskError, TaskSettingsError, UnknownNameError
from soritune.tasks.emotion import EmotionTask
from soritune.tasks.task import make_task


def test_a_task_is_made_with_its_settings() -> None:
    task = make_task("emotion", {"labels": ["Kind", "Dry"]})
    assert isinstance(task, EmotionTask)
    assert task.outputs[0].labels == ("Kind", "Dry")


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
