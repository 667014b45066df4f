"""How samples become encoder frames: a property of a model, stored in its bundle, computed without torch.

All code around the encoder uses it: the plan of an epoch, checks of a corpus, collation, windows, exporters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Samples = TypeVar("Samples")


def frames_of(
    num_samples: Samples,
    kernels: Sequence[int],
    strides: Sequence[int],
    paddings: Sequence[int] | None = None,
) -> Samples:
    """Length after a chain of convolutions: floor((n + padding - kernel) / stride) + 1 for each, never below zero.

    Accepts an int, a NumPy array or a tensor of integers and returns the same type.

    >>> frames_of(16000, (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    49
    """
    n: Any = num_samples
    for kernel, stride, padding in zip(kernels, strides, paddings or [0] * len(kernels), strict=True):
        n = (n + padding - kernel) // stride + 1
        n = n * (n > 0)
    return n  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a model's samples become frames.

    Raises:
        ValueError: kernels, strides and paddings differ in length, or a value is out of range.
    """

    kernels: tuple[int, ...]
    """Width of each convolution, the waveform's first, in units of its input. A spectrogram counts as one."""
    strides: tuple[int, ...]
    """Step of each convolution."""
    paddings: tuple[int, ...] = ()
    """Zeros or reflections that each convolution adds to its input, both sides together; () means no padding."""
    sample_rate_hz: int = 16000
    """Sample rate of the waveform."""
    appended_samples: int = 0
    """Silence that the encoder's front end appends to a clip. Its frames are computed and then dropped."""
    max_frames: int | None = None
    """Frames that the encoder can compute at once, such as its positions; None means any number."""

    def __post_init__(self) -> None:
        if not self.paddings:
            object.__setattr__(self, "paddings", (0,) * len(self.kernels))
        lengths = {len(self.kernels), len(self.strides), len(self.paddings)}
        sizes = (*self.kernels, *self.strides, self.sample_rate_hz)
        counts = (*self.paddings, self.appended_samples)
        if len(lengths) != 1 or not self.kernels:
            raise ValueError(
                f"kernels, strides and paddings must have one length above 0, got {len(self.kernels)}, "
                f"{len(self.strides)} and {len(self.paddings)}"
            )
        if not all(_is_whole(size) and size > 0 for size in sizes):
            raise ValueError(
                f"kernels, strides and the sample rate must be whole numbers above 0, got {sizes}"
            )
        if not all(_is_whole(size) and size >= 0 for size in counts):
            raise ValueError(
                f"paddings and appended_samples must be whole numbers of at least 0, got {counts}"
            )
        if self.max_frames is not None and not (_is_whole(self.max_frames) and self.max_frames > 0):
            raise ValueError(f"max_frames must be a whole number above 0, got {self.max_frames!r}")

    @property
    def samples_per_frame(self) -> int:
        """Samples between the starts of two frames."""
        return math.prod(self.strides)

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate_hz / self.samples_per_frame

    @property
    def first_frame_s(self) -> float:
        """Where frame 0 begins, in seconds; frame f begins `f / frame_rate_hz` later.

        A frame stands for `samples_per_frame` samples around the centre of the samples that it is computed from.
        Padding comes first on the left, until frame 0 of a convolution is centred on its first input. Frame 0 of a
        padded front end may therefore begin before the clip: the value is then negative.

        >>> Geometry((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)).first_frame_s  # samples 0 to 399, centre 200
        0.0025
        """
        centre, step = 0.5, 1
        paddings = self.paddings or (0,) * len(self.kernels)
        for kernel, stride, padding in zip(self.kernels, self.strides, paddings, strict=True):
            centre += ((kernel - 1) / 2 - min(padding, kernel // 2)) * step
            step *= stride
        return (centre - step / 2) / self.sample_rate_hz

    @property
    def least_samples(self) -> int:
        """Samples of the shortest clip that has a frame."""
        needed = 1
        for kernel, stride, padding in zip(
            reversed(self.kernels), reversed(self.strides), reversed(self.paddings), strict=True
        ):
            needed = max((needed - 1) * stride + kernel - padding, 1)
        return needed

    @property
    def longest_samples(self) -> float:
        """Samples of the longest clip whose frames can be computed at once; infinite without `max_frames`."""
        if self.max_frames is None:
            return math.inf
        most = self.max_frames
        for kernel, stride, padding in zip(
            reversed(self.kernels), reversed(self.strides), reversed(self.paddings), strict=True
        ):
            most = most * stride - 1 + kernel - padding
        return max(most - self.appended_samples, 0)

    def num_frames(self, num_samples: Samples) -> Samples:
        """Frames of a clip, for an int, NumPy array or tensor of integers; without the frames of appended silence."""
        return frames_of(num_samples, self.kernels, self.strides, self.paddings)

    def num_computed_frames(self, num_samples: Samples) -> Samples:
        """Frames that the encoder computes, including those of the appended silence."""
        samples: Any = num_samples
        return frames_of(samples + self.appended_samples, self.kernels, self.strides, self.paddings)  # type: ignore[no-any-return]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` restores the same object."""
        return {
            "sample_rate_hz": self.sample_rate_hz,
            "kernels": list(self.kernels),
            "strides": list(self.strides),
            "paddings": list(self.paddings),
            "appended_samples": self.appended_samples,
            **({} if self.max_frames is None else {"max_frames": self.max_frames}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Geometry:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: a key is missing or unknown, or a value is out of range.
        """
        known = {"sample_rate_hz", "kernels", "strides", "paddings", "appended_samples"}
        if not isinstance(data, Mapping) or set(data) - {"max_frames"} != known:
            raise ValueError(f"a geometry has the keys {', '.join(sorted(known))}, got {data!r}")
        axes = {name: data[name] for name in ("kernels", "strides", "paddings")}
        wrong = next((name for name, axis in axes.items() if not isinstance(axis, list | tuple)), None)
        if wrong is not None:
            raise ValueError(f"{wrong} must be a list of whole numbers, got {axes[wrong]!r}")
        return cls(
            **{name: tuple(axis) for name, axis in axes.items()},
            sample_rate_hz=data["sample_rate_hz"],
            appended_samples=data["appended_samples"],
            max_frames=data.get("max_frames"),
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
