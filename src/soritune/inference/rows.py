"""A clip's outputs as a row of a predictions file. Next: `inference/predictions.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soritune.errors import SorituneError, TaskError
from soritune.inference.clip_outputs import Posteriors
from soritune.inference.predictions import Row
from soritune.inference.segments import segments_of
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.results import Prediction
from soritune.tasks.task import Task


def checked_confidence(minimum: float | None, tasks: Sequence[Task] | None = None) -> float | None:
    """The lowest probability of a label that is not uncertain.

    Raises:
        TaskError: it is not a probability, or none of the `tasks` gives one label.
    """
    if minimum is not None and not 0 <= minimum <= 1:
        raise TaskError(f"the minimum confidence is {minimum}; it is a probability, from 0 to 1")
    if minimum is not None and tasks is not None and not any(task.single_label for task in tasks):
        names = ", ".join(task.name for task in tasks)
        raise TaskError(
            f"a minimum confidence has no effect: no task of the model gives one label ({names}); leave it out"
        )
    return minimum


def is_timed_by_window(task: Task) -> bool:
    """Whether a task's results have no times but those of their windows: none of its outputs has frames."""
    return not any(spec.per_frame for spec in task.outputs)


def row_of(
    posteriors: Posteriors, tasks: Sequence[Task], decoder: Decoder, min_confidence: float | None = None
) -> Row:
    """The row of a clip; with an `error` if it could not be read, decoded or compared with its reference.

    A clip or window in which no speech was found has `no_speech`; a label below `min_confidence` has `uncertain`.
    """
    if posteriors.error is not None:
        return _failed(posteriors, posteriors.error)
    try:
        return _decoded(posteriors, tasks, decoder, min_confidence)
    except SorituneError as error:
        return _failed(posteriors, str(error))


def _failed(posteriors: Posteriors, reason: str) -> Row:
    return {"id": posteriors.id, "audio": posteriors.audio, "error": reason}


def _decoded(
    posteriors: Posteriors, tasks: Sequence[Task], decoder: Decoder, min_confidence: float | None
) -> Row:
    utterance = posteriors.utterance
    prompt = posteriors.prompt
    answers = {}
    tasks = [task for task in tasks if task.name not in posteriors.left_out]
    for task in tasks:
        reference = None if utterance is None else task.reference(utterance)
        prediction = _marked(task, task.decode(posteriors.outputs, prompt, decoder), min_confidence)
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
                    task.name: _marked(task, task.decode(window.outputs, prompt, decoder), min_confidence)
                    for task in timed
                    if window.outputs
                },
                **({} if window.has_speech else {"no_speech": True}),
            }
            for window in posteriors.windows
        ]
        labelled = [task.name for task in timed if task.single_label]
        if labelled:
            row["segments"] = {name: segments_of(row["windows"], name) for name in labelled}
    return row


def _marked(task: Task, prediction: Prediction, min_confidence: float | None) -> dict[str, Any]:
    """A prediction as JSON, with `uncertain` if it is a label with too small a probability, or with none."""
    fields = prediction.to_json()
    if min_confidence is not None and task.single_label:
        confidence = fields.get("confidence")
        if confidence is None or not confidence >= min_confidence:  # also nan
            fields["uncertain"] = True
    return fields
