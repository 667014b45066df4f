"""What all processes must decide alike, agreed in one exchange per step.

Everything in it is known on the host before the forward pass (label counts, unusable rows, Ctrl-C, a failure), so
the exchange runs on the host and never waits for a GPU. Whether a step's gradient is finite needs no exchange: it is
the same on every process once gradients are summed (`training/step.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soritune.training.process_group import ProcessGroup


@dataclass(frozen=True, slots=True)
class Agreed:
    """Sums over all processes."""

    counts: list[float]
    """Per output what its loss is divided by, over the whole step."""
    failed: int
    """Rows that could not be used by any output."""
    to_note: int
    """Rows that some output could not use."""
    interrupted: bool
    """Somebody asked for a stop."""


def agree_on_step(
    group: ProcessGroup,
    counts: Sequence[float],
    *,
    failed: int,
    to_note: int,
    interrupted: bool,
    fault: BaseException | None,
) -> Agreed:
    """Agrees on a step before it is taken.

    Raises:
        BaseException: `fault`, where this process has one.
        OtherProcessError: where another one does.
    """
    *sums, lost, noted, asked = group.agree(fault, [*counts, failed, to_note, interrupted])
    return Agreed(sums, int(lost), int(noted), bool(asked))
