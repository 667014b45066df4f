"""Long files: overlapping windows, each frame taken from the window that sees most around it.

wav2vec2-family encoders attend to the whole input: memory grows with the square of the length, and they have not seen
long inputs in training. So a long file is cut into windows. Frame outputs are stitched in the middle of each overlap,
where both windows still see `overlap_s` of context; utterance outputs are averaged by duration. A model that sees no
further than the overlap gives the same outputs with and without windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator


class WindowSettings(BaseModel):
    """When and how long files are cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    longest_s: float = Field(30.0, gt=0)
    """Files up to this length are not cut."""
    window_s: float = Field(20.0, gt=0)
    """Length of a window."""
    overlap_s: float = Field(2.0, ge=0)
    """Context on each inner side of a window that is computed and discarded."""

    @model_validator(mode="after")
    def _room(self) -> WindowSettings:
        if self.window_s <= 2 * self.overlap_s:
            raise ValueError(
                f"window_s ({self.window_s}) must be more than twice overlap_s ({self.overlap_s})"
            )
        return self

    def limited(self, max_duration_s: float | None) -> WindowSettings:
        """Windows no longer than the clips of training; unchanged if those had no limit."""
        if max_duration_s is None or max_duration_s >= self.longest_s:
            return self
        window = min(self.window_s, max_duration_s)
        return WindowSettings(
            longest_s=max_duration_s, window_s=window, overlap_s=min(self.overlap_s, window / 5)
        )


class Window(NamedTuple):
    """The model gets samples [start, stop) of the file; [keep_start, keep_stop) of them are kept."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def plan_windows(num_samples: int, window: int, overlap: int, samples_per_frame: int) -> list[Window]:
    """Cuts `num_samples` into windows of at most `window` samples.

    Starts and inner borders of what is kept are multiples of `samples_per_frame`, so that frame f of a window is frame
    `start / samples_per_frame + f` of the file. The last window is moved left to be full. The kept stretches cover the
    file without gap or overlap.
    """
    if num_samples <= window:
        return [Window(0, num_samples, 0, num_samples)]
    grid = samples_per_frame
    hop = max((window - 2 * overlap) // grid * grid, grid)
    last = -(-(num_samples - window) // grid) * grid
    starts = [*range(0, last, hop), last]
    stops = [min(start + window, num_samples) for start in starts]
    borders = [(stop + start) // (2 * grid) * grid for stop, start in zip(stops, starts[1:], strict=False)]
    keep_starts, keep_stops = [0, *borders], [*borders, num_samples]
    return [Window(*row) for row in zip(starts, stops, keep_starts, keep_stops, strict=True)]


def stitch_frames(
    parts: Sequence[NDArray[Any]], windows: Sequence[Window], samples_per_frame: int
) -> NDArray[Any]:
    """Frame outputs of the windows, each (frames, labels), joined to the frames of the whole file."""
    kept = []
    for part, window in zip(parts, windows, strict=True):
        first = (window.keep_start - window.start) // samples_per_frame
        is_last = window is windows[-1]
        stop = len(part) if is_last else (window.keep_stop - window.start) // samples_per_frame
        kept.append(part[first:stop])
    return np.concatenate(kept)
