"""A clip's samples and other inputs, as the models of a predictor take them. Next: `inference/member_outputs.py`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.preprocessing import Preprocessing
from soritune.audio.voice_activity import Activity, VoiceActivity
from soritune.errors import AudioError, TaskError
from soritune.identities import identity
from soritune.inference.clips import Clip
from soritune.inference.ensemble import Member, joint_inputs
from soritune.tasks.inputs.input import (
    encode_inputs,
    kind_of,
    missing_inputs,
    origins,
    refuse_withholding,
    values_in_request,
    values_in_row,
)
from soritune.tasks.task import Task

logger = logging.getLogger(__name__)

TEXT_FIELD = "text"
"""Field of a row with the text of its speech."""

EncodedInputs = Mapping[str, NDArray[Any]]
"""The other inputs of a model as arrays, by name."""


@dataclass(frozen=True, slots=True)
class ReadClip:
    """A clip's samples after each distinct preprocessing, or why it cannot be used."""

    waveforms: Mapping[str, NDArray[np.float32]]
    """By `preprocessing_key`."""
    duration_s: float
    inputs: tuple[EncodedInputs, ...] = ()
    """Per model its other inputs."""
    left_out: tuple[str, ...] = ()
    """Tasks that lack an input they cannot do without."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Facts about the other inputs, by which scores are grouped."""
    error: str | None = None
    activity: Activity | None = None
    """Where the clip holds speech; None if that was not looked for."""
    speaker: str | None = None
    """Of a manifest row, in the one spelling by which speakers are compared."""

    def has_speech(self, start_s: float = 0.0, end_s: float = float("inf")) -> bool:
        """Whether a stretch may hold speech."""
        return self.activity is None or self.activity.has_speech(start_s, end_s)

    def speech_s(self, start_s: float, end_s: float) -> float | None:
        """Seconds of speech in a stretch; None if it is not looked for."""
        return None if self.activity is None else self.activity.speech_s(start_s, end_s)


class ClipReader:
    """Reads clips for several models.

    Args:
        members: the models.
        tasks: what the models predict together.
        vad: what finds speech in a clip; None looks for none.
        withhold: names of inputs beside the waveform that no clip gets.

    Raises:
        TaskError: `withhold` names an input that the models do not read, or cannot do without.
    """

    def __init__(
        self,
        members: Sequence[Member],
        tasks: Sequence[Task],
        vad: VoiceActivity | None = None,
        withhold: Sequence[str] = (),
    ) -> None:
        self.members, self.tasks, self.vad = members, tasks, vad
        self.inputs = joint_inputs(members)
        """What the models read beside the waveform."""
        refuse_withholding(self.inputs, withhold)
        self.withheld = tuple(dict.fromkeys(withhold))

    def read(self, clip: Clip) -> ReadClip:
        """Decodes a clip once per distinct preprocessing. Files beyond a model's `max_duration_s` are read whole and
        left unfinished: their windows are finished one by one, as the crops of training were."""
        if clip.fault is not None:
            return ReadClip({}, 0.0, error=clip.fault)
        waveforms: dict[str, NDArray[np.float32]] = {}
        duration, activity = clip.duration_s, None
        try:
            inputs, left_out, groups = self.encoded_inputs(clip)
            for member in self.members:
                key = preprocessing_key(member)
                if key not in waveforms:
                    rate, waveform = (
                        member.preprocessing.sample_rate_hz,
                        _waveform(clip, member.preprocessing),
                    )
                    duration = len(waveform) / rate
                    if activity is None and self.vad is not None:
                        activity = self.vad.find(waveform, rate)
                    waveforms[key] = _finished(waveform, member.preprocessing)
        except AudioError as error:
            logger.debug("%s cannot be used: %s", clip.id, error.reason)
            return ReadClip({}, 0.0, error=error.reason)
        except TaskError as error:
            return ReadClip({}, 0.0, error=str(error))
        return ReadClip(
            waveforms, duration, inputs, left_out, groups, activity=activity, speaker=_speaker(clip)
        )

    def encoded_inputs(self, clip: Clip) -> tuple[tuple[EncodedInputs, ...], tuple[str, ...], dict[str, str]]:
        """The clip's other inputs as arrays, per model, the tasks that lack one, and facts about the inputs.

        Raises:
            TaskError: every task lacks one, one cannot be read, or a request has a field that no model reads.
        """
        if not self.inputs and not clip.request:
            return tuple({} for _ in self.members), (), {}
        if clip.utterance is not None:
            values = values_in_row(self.inputs, clip.utterance)
            fields = {name for spec in self.inputs for name in kind_of(spec).origin_fields}
            facts = {name: getattr(clip.utterance, name, None) for name in fields}
        else:
            values = values_in_request(self.inputs, clip.request)
            facts = dict(clip.request)
        if clip.recognised is not None:
            values, facts = self._with_recognised(values, facts, clip.recognised)
        values = {name: value for name, value in values.items() if name not in self.withheld}
        lacking = {task.name: missing_inputs(task, values) for task in self.tasks}
        left_out = tuple(name for name, missing in lacking.items() if missing)
        if len(left_out) == len(self.tasks):
            name = lacking[left_out[0]][0]
            spec = next(spec for spec in self.inputs if spec.name == name)
            source = (
                f"column '{spec.column}'" if clip.utterance is not None else f"field '{spec.request_field}'"
            )
            raise TaskError(f"the input '{spec.name}' is missing; give it as the {source}")
        encoded = tuple(encode_inputs(member.inputs, values) for member in self.members)
        return encoded, left_out, origins(self.inputs, values, facts)

    def _with_recognised(
        self, values: dict[str, Any], facts: dict[str, Any], text: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Values and facts with a recognised text in the inputs that read the text of a row and have no value."""
        specs = [spec for spec in self.inputs if spec.column == TEXT_FIELD and spec.name not in values]
        read = {spec.name: text for spec in specs if not kind_of(spec).is_absent(text)}
        origin = {name: "asr" for spec in specs if read for name in kind_of(spec).origin_fields}
        return {**values, **read}, {**facts, **origin}


def preprocessing_key(member: Member) -> str:
    """Equal for models with the same preprocessing."""
    return member.preprocessing.model_dump_json()


def is_beyond_training(preprocessing: Preprocessing, waveform: NDArray[np.float32]) -> bool:
    """Whether a waveform is longer than any that training used, so that only its windows are finished."""
    limit = preprocessing.max_duration_s
    return limit is not None and len(waveform) > round(limit * preprocessing.sample_rate_hz)


def _waveform(clip: Clip, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """The whole clip, not yet finished."""
    whole = preprocessing.model_copy(update={"max_duration_s": None})
    if clip.samples is not None:
        return whole.read_samples(*clip.samples, clip.channel)
    assert clip.path is not None
    length = clip.duration_s if clip.start_s is not None else None
    return whole.read(clip.path, clip.start_s, length, clip.channel, clip.pcm)


def _finished(waveform: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Finished, unless only its windows are."""
    return waveform if is_beyond_training(preprocessing, waveform) else preprocessing.finish(waveform)


def _speaker(clip: Clip) -> str | None:
    speaker = clip.groups.get("speaker")
    return None if speaker is None else identity(str(speaker))
