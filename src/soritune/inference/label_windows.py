"""Windows for labels: how long they are, and how far apart.

Next: `inference/window_reading.py`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from soritune.errors import TaskError
from soritune.settings import plain_message


class LabelWindows(BaseModel):
    """A label for every window of a recording, whatever its length."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_s: float = Field(gt=0, allow_inf_nan=False)
    """Length of a window."""
    hop_s: float = Field(gt=0, allow_inf_nan=False)
    """From the start of one window to the start of the next."""

    @model_validator(mode="after")
    def _without_gaps(self) -> LabelWindows:
        if self.hop_s > self.window_s:
            raise ValueError(
                f"hop_s ({self.hop_s:g}) must be at most window_s ({self.window_s:g}), or no window covers some parts"
            )
        return self


def label_windows(window_s: float | None, hop_s: float | None) -> LabelWindows | None:
    """The windows that are meant; None without a length. Without a hop they follow each other.

    Raises:
        TaskError: a hop without a length, or lengths that cannot be.
    """
    if window_s is None:
        if hop_s is not None:
            raise TaskError("hop_s needs window_s, the length of a window")
        return None
    try:
        return LabelWindows(window_s=window_s, hop_s=window_s if hop_s is None else hop_s)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = plain_message(first)
        raise TaskError(f"{place} {first['input']!r}: {reason}" if place else reason) from error
