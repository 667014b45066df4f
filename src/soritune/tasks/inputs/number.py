"""One number for an utterance, such as an age: `OutputSpec.inputs` joins it to every frame a head reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.tasks.inputs.input import PRESENT, InputKind, finite_numbers
from soritune.tasks.specs import InputSpec

OPTIONS = {"mean": 0.0, "deviation": 1.0}
"""Options with their defaults; a value is standardised as (value - mean) / deviation."""


class NumberInput(InputKind):
    """A finite number; options `mean` and `deviation` standardise it."""

    def check(self, spec: InputSpec) -> None:
        """See `InputKind.check`."""
        unknown = sorted(set(spec.options) - set(OPTIONS))
        if unknown:
            raise TaskError(
                f"input '{spec.name}' has the option {unknown[0]}; a number has mean and deviation"
            )
        numbers = {**OPTIONS, **spec.options}
        values = finite_numbers(spec, list(numbers.values()), "described by finite numbers")
        if values[1] <= 0:
            raise TaskError(f"input '{spec.name}': deviation must be above 0, got {numbers['deviation']}")

    def encode(self, spec: InputSpec, value: Any) -> NDArray[Any]:
        """() float32, standardised."""
        number = finite_numbers(spec, value, "a number")
        if number.ndim:
            raise TaskError(
                f"input '{spec.name}' must be a number, got {value!r:.60}", f"input-value:{spec.name}"
            )
        scale = {**OPTIONS, **spec.options}
        return np.asarray((number - scale["mean"]) / scale["deviation"], dtype=np.float32)

    def example(self, spec: InputSpec) -> Any:
        """The mean and a half."""
        return float(spec.options.get("mean", 0.0)) + 0.5

    def pad(
        self, spec: InputSpec, rows: Sequence[NDArray[Any] | None], num_frames: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """`name` (batch, 1) float32, 0 in rows without a value."""

        values = np.array([[0.0 if row is None else float(row)] for row in rows], dtype=np.float32)
        present = np.array([row is not None for row in rows], dtype=bool)
        return {spec.name: values.reshape(len(rows), 1), spec.name + PRESENT: present}


INPUT = NumberInput()
