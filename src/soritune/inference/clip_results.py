"""What the models gave for a clip, with what is known of the clip. Next: `inference/rows.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from soritune.inference.clip_outputs import Outputs, Posteriors, WindowOutputs
from soritune.inference.clip_reading import ReadClip
from soritune.inference.clips import Clip
from soritune.inference.ensemble import Member, first_frames, frame_rates
from soritune.inference.member_outputs import ClipOutputs
from soritune.inference.windowed_clips import WindowedClip
from soritune.tasks.objectives.probabilities import non_finite_output
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task

NOT_FINITE = "the model is damaged, or cannot take this recording"


class ClipResults:
    """Makes the results of clips.

    Args:
        members: the models.
        tasks: what they predict together.
        outputs: the outputs by name.
    """

    def __init__(
        self, members: Sequence[Member], tasks: Sequence[Task], outputs: Mapping[str, OutputSpec]
    ) -> None:
        self.tasks, self.outputs = tasks, outputs
        self._labels = {name: spec.labels for name, spec in outputs.items()}
        self._frame_rates_hz = frame_rates(members, outputs)
        self._first_frames_s = first_frames(members, outputs)

    def of_clip(self, clip: Clip, read: ReadClip, done: ClipOutputs) -> Posteriors:
        """A clip, and its windows if it is too long for the models."""
        return self._result(
            clip,
            done.whole,
            tuple(self._timed(window) for window in done.windows),
            duration_s=read.duration_s,
            left_out=read.left_out,
            groups=read.groups,
            has_speech=read.error is not None or read.has_speech(),
            error=read.error,
        )

    def of_windows(self, call: WindowedClip, frames: Posteriors | None = None) -> Posteriors:
        """A clip with a result for every window.

        Args:
            call: its windows.
            frames: its other result, from which outputs with frames are taken.
        """
        if call.error is None and frames is not None and frames.error is not None:
            return frames
        is_good = call.error is None
        windows = call.timed() if is_good else ()
        faulty = next((name for window in windows if (name := non_finite_output(window.outputs))), None)
        outputs = call.whole(self.outputs) if is_good and faulty is None else {}
        if outputs and frames is not None:
            outputs |= {name: value for name, value in frames.outputs.items() if self.outputs[name].per_frame}
        result = self._result(
            call.clip,
            outputs,
            windows if faulty is None else (),
            duration_s=call.duration_s if is_good else 0.0,
            left_out=call.left_out,
            groups=call.groups,
            has_speech=not is_good or call.has_speech,
            error=call.error if faulty is None else _not_finite(faulty),
        )
        return replace(result, is_windowed=True, is_enough=not is_good or call.is_enough)

    def _result(
        self,
        clip: Clip,
        outputs: Outputs,
        windows: tuple[WindowOutputs, ...],
        *,
        duration_s: float,
        left_out: tuple[str, ...],
        groups: Mapping[str, str],
        has_speech: bool,
        error: str | None,
    ) -> Posteriors:
        """What the models gave for a clip; with an error where an output is not finite."""
        faulty = non_finite_output(outputs)
        if faulty is not None:
            outputs, windows, error = {}, (), _not_finite(faulty)
        absent = {spec.name for task in self.tasks if task.name in left_out for spec in task.outputs}
        return Posteriors(
            id=clip.id,
            audio=clip.audio,
            duration_s=duration_s,
            outputs={name: value for name, value in outputs.items() if name not in absent},
            left_out=left_out,
            labels=self._labels,
            frame_rates_hz=self._frame_rates_hz,
            first_frames_s=self._first_frames_s,
            error=error,
            windows=windows,
            groups={**clip.groups, **groups},
            utterance=clip.utterance,
            prompt=_prompt(clip),
            start_s=clip.start_s,
            channel=clip.channel,
            has_speech=has_speech,
        )

    def _timed(self, window: WindowOutputs) -> WindowOutputs:
        """A window with its outputs of resolution "utterance", which have no times but those of their window."""
        timed = {name: value for name, value in window.outputs.items() if not self.outputs[name].per_frame}
        return replace(window, outputs=timed)


def _not_finite(output: str) -> str:
    return f"the model's output '{output}' is not finite; {NOT_FINITE}"


def _prompt(clip: Clip) -> str | None:
    text = getattr(clip.utterance, "text", None) if clip.utterance is not None else clip.request.get("text")
    return text if isinstance(text, str) else None
