"""Numbers along an utterance, such as a pitch contour: joined frame by frame to what a head reads.

The values cover the utterance evenly, at any rate. Frame t of T takes the value whose span contains the frame's centre:
value floor((t + 1/2) n / T) of n. A contour therefore stays aligned when an utterance is played faster or slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.tasks.inputs.input import PRESENT, InputKind, finite_numbers
from soritune.tasks.objectives.dense import targets_of_frames
from soritune.tasks.specs import InputSpec


class FrameNumbersInput(InputKind):
    """(n,) or (n, width) finite numbers; option `width`, 1 by default."""

    def check(self, spec: InputSpec) -> None:
        """See `InputKind.check`."""
        width = spec.options.get("width", 1)
        if set(spec.options) - {"width"} or not isinstance(width, int) or width < 1:
            raise TaskError(
                f"input '{spec.name}': give the option width, a whole number above 0, or no options at all"
            )

    def encode(self, spec: InputSpec, value: Any) -> NDArray[Any]:
        """(n, width) float32."""
        width = int(spec.options.get("width", 1))
        numbers = finite_numbers(spec, value, f"a list of numbers, {width} for each step")
        if numbers.ndim == 1:
            numbers = numbers[:, None]
        if numbers.ndim != 2 or len(numbers) == 0 or numbers.shape[1] != width:
            raise TaskError(
                f"input '{spec.name}' must be a list of numbers, {width} for each step, got the shape {numbers.shape}",
                f"input-value:{spec.name}",
            )
        return numbers

    def cut(self, spec: InputSpec, row: NDArray[Any], first: int, count: int, total: int) -> NDArray[Any]:
        """(count, width): one value for each step of the part."""
        values: NDArray[Any] = row[targets_of_frames(len(row), total)[first : first + count]]
        return values

    def example(self, spec: InputSpec) -> Any:
        """Three steps."""
        width = int(spec.options.get("width", 1))
        return [[0.1 * (step + channel) for channel in range(width)] for step in range(3)]

    def free_axes(self, spec: InputSpec) -> dict[str, tuple[int, ...]]:
        """The frames."""
        return {spec.name: (1,)}

    def pad(
        self, spec: InputSpec, rows: Sequence[NDArray[Any] | None], num_frames: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """`name` (batch, frames, width) float32, zeros in rows without values and in padding."""
        width, longest = int(spec.options.get("width", 1)), int(num_frames.max(initial=0))
        values = np.zeros((len(rows), longest, width), dtype=np.float32)
        for padded, row, frames in zip(values, rows, num_frames.tolist(), strict=True):
            if row is not None and frames:
                padded[:frames] = row[targets_of_frames(len(row), frames)]

        present = np.array([row is not None for row in rows], dtype=bool)
        return {spec.name: values, spec.name + PRESENT: present}


INPUT = FrameNumbersInput()
