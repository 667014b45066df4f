"""What all processes must decide alike, agreed in one exchange per step.

Everything in it is known on the host before the forward pass (label counts, unusable rows, Ctrl-C, a failure), so
the exchange runs on the host and never waits for a GPU. Whether a step's gradient is finite needs no exchange: it is
the same on every process once gradients are summed (`training/step.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed
from accelerate import Accelerator

from soritune.errors import TrainingError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Agreed:
    """Sums over all processes."""

    counts: list[float]
    """Per output what its loss is divided by, over the whole step."""
    failed: int
    """Rows that could not be used."""
    interrupted: bool
    """Somebody asked for a stop."""


class Agreement:
    """Sums of a few numbers over processes, on the host."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.alone = accelerator.num_processes == 1
        self._group = None
        if not self.alone and torch.distributed.get_backend() != "gloo":
            self._group = torch.distributed.new_group(backend="gloo")

    def total(self, values: Sequence[float]) -> list[float]:
        """Element-wise sums."""
        if self.alone:
            return [float(value) for value in values]
        tensor = torch.tensor(values, dtype=torch.float64)
        torch.distributed.all_reduce(tensor, group=self._group)
        return list(tensor.tolist())

    def of_step(
        self, counts: Sequence[float], *, failed: int, interrupted: bool, fault: BaseException | None
    ) -> Agreed:
        """Agrees on a step before it is taken.

        Raises:
            BaseException: `fault`, where this process has one; `TrainingError` where another one does.
        """
        *sums, lost, asked, faults = self.total([*counts, failed, interrupted, fault is not None])
        if fault is not None:
            raise fault
        if faults:
            raise TrainingError("another process of this run failed; its message says why")
        return Agreed(sums, int(lost), bool(asked))

    def by_one(self, does_it: bool, action: Callable[[], Result]) -> Result | None:
        """Runs `action` where `does_it` is true; a failure there stops all processes instead of hanging the others."""
        result: Result | None = None
        fault: Exception | None = None
        if does_it:
            try:
                result = action()
            except Exception as error:
                fault = error
        self.of_step([], failed=0, interrupted=False, fault=fault)
        return result
