"""How samples become encoder frames: a fact of a model, stored in its bundle, that needs no torch.

Everything before the encoder and after it asks here: the plan of an epoch, checks of a corpus, collation, windows over
long files, exporters.
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

    Takes an int, a NumPy array or a tensor of integers and gives the same kind back.

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
        ValueError: kernels, strides and paddings of different numbers, or values out of range.
    """

    kernels: tuple[int, ...]
    """Width of each convolution from the waveform on, in its input's units. A spectrogram is one of them."""
    strides: tuple[int, ...]
    """Step of each."""
    paddings: tuple[int, ...] = ()
    """Zeros or reflections that each one adds to its input, both sides together; () means none."""
    sample_rate_hz: int = 16000
    """Rate of the samples."""
    appended_samples: int = 0
    """Silence that the encoder's front appends to a clip. Its frames are computed and then dropped."""

    def __post_init__(self) -> None:
        if not self.paddings:
            object.__setattr__(self, "paddings", (0,) * len(self.kernels))
        lengths = {len(self.kernels), len(self.strides), len(self.paddings)}
        sizes = (*self.kernels, *self.strides, self.sample_rate_hz)
        least = (*self.paddings, self.appended_samples)
        if len(lengths) != 1 or not self.kernels:
            raise ValueError(
                f"kernels, strides and paddings must be of one length above 0, got {len(self.kernels)}, "
                f"{len(self.strides)} and {len(self.paddings)}"
            )
        if not all(_is_whole(size) and size > 0 for size in sizes):
            raise ValueError(
                f"kernels, strides and the sample rate must be whole numbers above 0, got {sizes}"
            )
        if not all(_is_whole(size) and size >= 0 for size in least):
            raise ValueError(f"paddings and appended_samples must be whole numbers from 0 on, got {least}")

    @property
    def samples_per_frame(self) -> int:
        """Distance between two frames."""
        return math.prod(self.strides)

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate_hz / self.samples_per_frame

    @property
    def least_samples(self) -> int:
        """Samples of the shortest clip that has a frame."""
        needed = 1
        for kernel, stride, padding in zip(
            reversed(self.kernels), reversed(self.strides), reversed(self.paddings), strict=True
        ):
            needed = max((needed - 1) * stride + kernel - padding, 1)
        return needed

    def num_frames(self, num_samples: Samples) -> Samples:
        """Frames of a clip: int, NumPy array or tensor of integers. Frames of appended silence do not count."""
        return frames_of(num_samples, self.kernels, self.strides, self.paddings)

    def num_computed_frames(self, num_samples: Samples) -> Samples:
        """Frames that the encoder computes, those of the appended silence included."""
        longer: Any = num_samples
        return frames_of(longer + self.appended_samples, self.kernels, self.strides, self.paddings)  # type: ignore[no-any-return]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the same object back."""
        return {
            "sample_rate_hz": self.sample_rate_hz,
            "kernels": list(self.kernels),
            "strides": list(self.strides),
            "paddings": list(self.paddings),
            "appended_samples": self.appended_samples,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Geometry:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: a missing or unknown key, or a value out of range.
        """
        known = {"sample_rate_hz", "kernels", "strides", "paddings", "appended_samples"}
        if not isinstance(data, Mapping) or set(data) != known:
            raise ValueError(f"a geometry has the keys {', '.join(sorted(known))}, got {data!r}")
        axes = {name: data[name] for name in ("kernels", "strides", "paddings")}
        wrong = next((name for name, axis in axes.items() if not isinstance(axis, list | tuple)), None)
        if wrong is not None:
            raise ValueError(f"{wrong} must be a list of whole numbers, got {axes[wrong]!r}")
        return cls(
            **{name: tuple(axis) for name, axis in axes.items()},
            sample_rate_hz=data["sample_rate_hz"],
            appended_samples=data["appended_samples"],
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
