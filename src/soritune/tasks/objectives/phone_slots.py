"""One label for each phone of a text that is an input of the model: cross-entropy over the phones.

Label i is in frame i of the output (`tasks/inputs/phones.py`). Frames behind the last phone have the label of the
option `blank`, "no phone", with a probability of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.tasks.objectives.objective import Objective, PaddedTargets
from soritune.tasks.objectives.symbol_ids import ids_fault, padded_ids
from soritune.tasks.specs import OutputSpec, Resolution


class Slots(Objective):
    """Target: label ids (phones,) int64. Count: phones. Decoded: log-probabilities (frames, labels).

    Options: `blank`, the index of "no phone" (0); `symbols`, the number of symbols of the output that the head reads.
    """

    resolutions: ClassVar[tuple[Resolution, ...]] = ("frame",)
    is_smoothed: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ("blank", "symbols")

    def check_options(self, spec: OutputSpec) -> None:
        """Both are whole numbers; the blank is the index of a label."""
        for key, value in spec.options.items():
            limit = len(spec.labels) if key == "blank" else 1_000_000
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
                raise TaskError(
                    f"output '{spec.name}' has the option {key}={value!r}; give a whole number from 0 to {limit - 1}"
                )

    def target_fault(self, spec: OutputSpec, target: NDArray[Any]) -> str | None:
        """A wrong shape or type, ids that no label has, the blank among them, or no phone."""
        ids, blank = np.asarray(target), int(spec.options.get("blank", 0))
        fault = ids_fault(spec, ids, blank)
        if fault is None and len(ids) == 0:
            fault = "it has no phone"
        return None if fault is None else f"its {spec.name} target cannot be used: {fault}"

    def frames_needed(self, spec: OutputSpec, target: NDArray[Any]) -> int:
        """One per phone."""
        return len(target)

    def pad(
        self,
        spec: OutputSpec,
        targets: Sequence[NDArray[Any] | None],
        num_frames: NDArray[np.int64],
        *,
        label_smoothing: float = 0.0,
    ) -> PaddedTargets:
        """`values` (batch, phones) int64; `lengths` in phones."""
        return padded_ids(targets)


OBJECTIVE = Slots()
