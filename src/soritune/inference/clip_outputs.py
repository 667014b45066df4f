"""What the models gave for one clip: log-probabilities with their labels and times. Next: `inference/rows.py`.

Shapes: (frames, labels) for an output of resolution "frame", (labels,) for "utterance".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soritune.errors import TaskError
from soritune.tasks.objectives.probabilities import Float32Array

Outputs = dict[str, Float32Array]
"""Output name to log-probabilities, or to the values themselves for a regression."""


@dataclass(frozen=True, slots=True)
class WindowOutputs:
    """The outputs of resolution "utterance" for one stretch of a long file; none for a window for labels (`window_s`)
    with too little speech."""

    start_s: float
    end_s: float
    outputs: Outputs
    has_speech: bool = True
    """False if speech was looked for and not found."""
    is_enough: bool = True
    """Whether the speech lasts as long as a label needs."""
    speech_s: float | None = None
    """Seconds of speech; None if it was not looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posteriors:
    """One clip's outputs, averaged over the models and joined over the windows of a long file."""

    id: str
    audio: str
    """The given path, or "(samples)"."""
    duration_s: float = 0.0
    """Of the samples that were read, in seconds; 0 with an error."""
    outputs: Outputs = field(default_factory=dict)
    """Output name to float32 log-probabilities, (frames, labels) or (labels,); a regression gives its values. Empty
    with an error."""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Output name to the label of each column."""
    frame_rates_hz: Mapping[str, float] = field(default_factory=dict)
    """Output name to frames per second, for the outputs that have frames."""
    first_frames_s: Mapping[str, float] = field(default_factory=dict)
    """Output name to where its frame 0 begins, in seconds (`Geometry.first_frame_s`): frame f begins f / rate later."""
    left_out: tuple[str, ...] = ()
    """Tasks without outputs here, because the clip lacks an input that they need."""
    error: str | None = None
    """Why the clip could not be used; None if it could."""
    windows: tuple[WindowOutputs, ...] = ()
    """Of a file that was cut: each stretch with its outputs of resolution "utterance"; frames are joined."""
    is_windowed: bool = False
    """Whether labels were requested for windows (`window_s`); there may be a single one then."""
    groups: Mapping[str, Any] = field(default_factory=dict)
    """Of a manifest row: speaker, gender and so on, and the groups that the caller added."""
    utterance: Any = None
    """The manifest row, a `soritune.Utterance`; None for files and samples."""
    prompt: str | None = None
    """The text the speaker was asked to say: a manifest row's, or the field `text` of a request."""
    start_s: float | None = None
    """Where the clip begins in its file; None is the whole file."""
    channel: int | None = None
    has_speech: bool = True
    """False if speech was looked for in the clip and not found."""
    is_enough: bool = True
    """False if labels were requested for windows, and no window has as much speech as a label needs."""

    @property
    def num_frames(self) -> int | None:
        """Frames of the outputs that have frames; None if no output has frames.

        Raises:
            TaskError: they have different numbers of frames, as those of different models may.
        """
        counts = {name: len(self.outputs[name]) for name in self.frame_rates_hz if name in self.outputs}
        common = _common_value(counts, "numbers of frames", "take len(outputs[name])")
        return None if common is None else int(common)

    @property
    def frame_rate_hz(self) -> float | None:
        """Frames per second of the outputs that have frames; None if no output has frames.

        Raises:
            TaskError: they have different rates, as those of different models may.
        """
        return _common_value(self.frame_rates_hz, "frame rates", "take frame_rates_hz[name]")


def _common_value(values: Mapping[str, float], what: str, way_out: str) -> float | None:
    if len(set(values.values())) > 1:
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise TaskError(f"the outputs have different {what} ({shown}); {way_out}")
    return next(iter(values.values()), None)
