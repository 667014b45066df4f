"""A clip's outputs as a row of a predictions file. Next: `inference/predictions.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from soritune.assessment.timing import FrameTimes, Tiers, recognised_tiers
from soritune.errors import SorituneError
from soritune.inference.clip_outputs import Posteriors, WindowOutputs
from soritune.inference.predictions import Row
from soritune.inference.segments import LITTLE_SPEECH, segments_of
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.results import Prediction
from soritune.tasks.task import Task

NO_THRESHOLDS: Mapping[str, float] = MappingProxyType({})
LITTLE_SPEECH_MARK: Mapping[str, Any] = MappingProxyType({"uncertain": True, "reason": LITTLE_SPEECH})
"""What a window, or a label, has if there is less speech than a label needs."""


def is_timed_by_window(task: Task) -> bool:
    """Whether a task's results have no times but those of their windows: none of its outputs has frames."""
    return not any(spec.per_frame for spec in task.outputs)


def row_of(
    posteriors: Posteriors,
    tasks: Sequence[Task],
    decoder: Decoder,
    thresholds: Mapping[str, float] = NO_THRESHOLDS,
    *,
    times: bool = False,
) -> Row:
    """The row of a clip; with an `error` if it could not be read, decoded or compared with its reference.

    A clip or window in which no speech was found has `no_speech`; one with less speech than a label needs, and a label
    below the threshold of its task, has `uncertain`. With `times`, predictions of phones have the times of phones,
    syllables and words in the clip.
    """
    if posteriors.error is not None:
        return _failed(posteriors, posteriors.error)
    try:
        return _decoded(posteriors, tasks, decoder, thresholds, times)
    except SorituneError as error:
        return _failed(posteriors, str(error))


def _failed(posteriors: Posteriors, reason: str) -> Row:
    return {"id": posteriors.id, "audio": posteriors.audio, "error": reason}


def _prompt(posteriors: Posteriors, task: Task) -> str | None:
    """What a task's `decode` gets as the prompt of a clip."""
    row = posteriors.utterance
    return posteriors.prompt if row is None else task.prompt_of(row)


def _decoded(
    posteriors: Posteriors,
    tasks: Sequence[Task],
    decoder: Decoder,
    thresholds: Mapping[str, float],
    times: bool,
) -> Row:
    utterance = posteriors.utterance
    answers = {}
    tasks = [task for task in tasks if task.name not in posteriors.left_out]
    for task in tasks:
        reference = None if utterance is None else task.reference(utterance)
        prompt = _prompt(posteriors, task)
        prediction = _marked(task, task.decode(posteriors.outputs, prompt, decoder), thresholds)
        if posteriors.has_speech and not posteriors.is_enough and task.single_label:
            prediction |= LITTLE_SPEECH_MARK
        if times and task.phone_output is not None:
            prediction["times"] = _tiers(posteriors, task, prediction["phones"]).to_json()
        answers[task.name] = {"prediction": prediction, "reference": reference}
    row: Row = {
        "id": posteriors.id,
        "audio": posteriors.audio,
        "duration_s": round(posteriors.duration_s, 4),
        "groups": dict(posteriors.groups),
        "tasks": answers,
    }
    if posteriors.start_s is not None:
        row["start_s"] = posteriors.start_s
    if not posteriors.has_speech:
        row["no_speech"] = True
    if posteriors.channel is not None:
        row["channel"] = posteriors.channel
    timed = [task for task in tasks if is_timed_by_window(task)]
    if timed and (len(posteriors.windows) > 1 or posteriors.is_windowed):
        # A long file over time; outputs with frames have their times already.
        row["windows"] = [
            {
                "start_s": window.start_s,
                "end_s": window.end_s,
                "tasks": {
                    task.name: _marked(
                        task, task.decode(window.outputs, _prompt(posteriors, task), decoder), thresholds
                    )
                    for task in timed
                    if window.outputs
                },
                **({} if window.speech_s is None else {"speech_s": window.speech_s}),
                **_state_of(window),
            }
            for window in posteriors.windows
        ]
        labelled = [task.name for task in timed if task.single_label]
        if labelled:
            row["segments"] = {name: segments_of(row["windows"], name) for name in labelled}
    return row


def _state_of(window: WindowOutputs) -> Mapping[str, Any]:
    """Why a window has no label."""
    if not window.has_speech:
        return {"no_speech": True}
    return {} if window.is_enough else LITTLE_SPEECH_MARK


def _marked(task: Task, prediction: Prediction, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """A prediction as JSON, with `uncertain` if it is a label with too small a probability, or with none."""
    fields = prediction.to_json()
    if task.name in thresholds:
        confidence = fields.get("confidence")
        if confidence is None or not confidence >= thresholds[task.name]:  # also nan
            fields["uncertain"] = True
    return fields


def _tiers(posteriors: Posteriors, task: Task, phones: Sequence[str]) -> Tiers:
    """The times of recognised phones."""
    name = task.phone_output
    spec = next(spec for spec in task.outputs if spec.name == name)
    blank = objective_of(spec).blank_of(spec)
    assert name is not None
    assert blank is not None
    return recognised_tiers(
        phones, posteriors.outputs[name], spec.labels, blank, frame_times(posteriors, name)
    )


def frame_times(posteriors: Posteriors, output: str) -> FrameTimes:
    """The times of the frames of an output of a clip."""
    return FrameTimes(
        posteriors.first_frames_s.get(output, 0.0), posteriors.frame_rates_hz[output], posteriors.duration_s
    )
