"""What all processes must decide alike, agreed in one exchange per step.

Everything in it is known on the host before the forward pass: label counts, unusable rows, Ctrl-C, a failure. So the
exchange runs on the host and never waits for a GPU. Whether a step's gradient is finite needs no exchange: it is the
same on every process once gradients are summed (`training/step.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soritune.training.process_group import ProcessGroup


@dataclass(frozen=True, slots=True)
class Agreed:
    """Sums over all processes."""

    counts: list[float]
    """Denominator of each output's loss, over the whole step."""
    failed: int
    """Rows that could not be used by any output."""
    to_record: int
    """Rows that some output could not use."""
    interrupted: bool
    """A process received Ctrl-C or SIGTERM."""


def agree_on_step(
    group: ProcessGroup,
    counts: Sequence[float],
    *,
    failed: int,
    to_record: int,
    interrupted: bool,
    fault: BaseException | None,
) -> Agreed:
    """Agrees on a step before it is taken.

    Args:
        group: the processes of the run.
        counts: label counts of this process's micro-batches, per output.
        failed: their rows that no output could use.
        to_record: their rows that some output could not use.
        interrupted: this process received Ctrl-C or SIGTERM.
        fault: why this process cannot take the step, or None.

    Raises:
        BaseException: `fault`, if this process has one.
        OtherProcessError: another process has one.
    """
    *sums, failed_sum, to_record_sum, stops = group.agree(fault, [*counts, failed, to_record, interrupted])
    return Agreed(sums, int(failed_sum), int(to_record_sum), bool(stops))
