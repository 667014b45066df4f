"""Windows for labels: how long they are, and how far apart.

Next: `inference/window_reading.py`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from soritune.errors import TaskError
from soritune.settings import plain_message

MIN_SPEECH_S, MIN_SPEECH_SHARE = 1.0, 0.2


class LabelWindows(BaseModel):
    """A label for every window of a recording, whatever its length."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_s: float = Field(gt=0, allow_inf_nan=False)
    """Length of a window."""
    hop_s: float = Field(gt=0, allow_inf_nan=False)
    """From the start of one window to the start of the next."""
    min_speech_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Seconds of speech below which a window has no label; 0 where speech is not looked for."""

    @model_validator(mode="after")
    def _without_gaps(self) -> LabelWindows:
        if self.hop_s > self.window_s:
            raise ValueError(
                f"hop_s ({self.hop_s:g}) must be at most window_s ({self.window_s:g}), or no window covers some parts"
            )
        if self.min_speech_s > self.window_s:
            raise ValueError(
                f"min_speech_s ({self.min_speech_s:g}) must be at most window_s ({self.window_s:g}), "
                "or no window has a label"
            )
        return self

    def enough_speech_s(self, length_s: float) -> float:
        """Seconds of speech that a window of `length_s` needs: a recording that is shorter than a window needs the same
        share of speech."""
        return self.min_speech_s * min(length_s / self.window_s, 1.0)


def default_min_speech_s(window_s: float) -> float:
    """A second of speech, or a fifth of windows that are shorter than five seconds."""
    return min(MIN_SPEECH_S, MIN_SPEECH_SHARE * window_s)


def label_windows(
    window_s: float | None,
    hop_s: float | None,
    min_speech_s: float | None = None,
    *,
    finds_speech: bool = True,
) -> LabelWindows | None:
    """The windows that are meant; None without a length. Without a hop they follow each other.

    Args:
        window_s: length of a window.
        hop_s: from the start of one window to the start of the next.
        min_speech_s: seconds of speech below which a window has no label; None is `default_min_speech_s`.
        finds_speech: whether speech is looked for; without it no window is held back.

    Raises:
        TaskError: a hop or a minimum of speech without a length, a minimum where speech is not looked for, or lengths
            that cannot be.
    """
    if window_s is None:
        for name, value in (("hop_s", hop_s), ("min_speech_s", min_speech_s)):
            if value is not None:
                raise TaskError(f"{name} needs window_s, the length of a window")
        return None
    if not finds_speech:
        if min_speech_s:
            raise TaskError(
                f"min_speech_s ({min_speech_s:g}) has no effect with vad off, because speech is not looked for; "
                "leave one of them out"
            )
        min_speech_s = 0.0
    elif min_speech_s is None:
        min_speech_s = default_min_speech_s(window_s) if window_s > 0 else 0.0
    try:
        return LabelWindows(
            window_s=window_s, hop_s=window_s if hop_s is None else hop_s, min_speech_s=min_speech_s
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = plain_message(first)
        raise TaskError(f"{place} {first['input']!r}: {reason}" if place else reason) from error
