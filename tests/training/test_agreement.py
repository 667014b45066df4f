from __future__ import annotations

from typing import Any

import pytest

from soritune.training.agreement import Agreed, agree_on_step
from soritune.training.process_group import ProcessGroup


class TwoProcesses(ProcessGroup):
    """The group of this process and one whose values are given."""

    def __init__(self, values_of_other: list[float]) -> None:
        super().__init__()
        self.values_of_other = values_of_other

    def total(self, values: Any, *, patient: bool = False) -> list[float]:
        return [a + b for a, b in zip(values, self.values_of_other, strict=True)]


def agree(group: ProcessGroup, fault: BaseException | None = None, interrupted: bool = False) -> Agreed:
    return agree_on_step(group, [3.0, 0.0], failed=1, to_record=2, interrupted=interrupted, fault=fault)


def test_one_process_agrees_with_itself() -> None:
    group = ProcessGroup()
    assert agree(group) == Agreed([3.0, 0.0], failed=1, to_record=2, interrupted=False)
    assert agree(group, interrupted=True).interrupted
    with pytest.raises(ValueError, match="^broken$"):
        agree(group, fault=ValueError("broken"))


@pytest.mark.parametrize("interrupted", [0.0, 1.0])
def test_values_of_two_processes_are_added(interrupted: float) -> None:
    """The values of the other: two counts, failed rows, rows to record, interrupted, fault."""
    group = TwoProcesses([4.0, 5.0, 0.0, 3.0, interrupted, 0.0])
    assert agree(group) == Agreed([7.0, 5.0], failed=1, to_record=5, interrupted=bool(interrupted))
