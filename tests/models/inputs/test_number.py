from __future__ import annotations

import torch

from soritune.models.inputs.input import make_input
from soritune.models.inputs.number import NumberModule
from soritune.tasks.specs import InputSpec

AGE = InputSpec("age", "age", "age", "number")


def test_rows_without_a_number_have_the_learnt_one() -> None:
    number = make_input(AGE)
    assert isinstance(number, NumberModule)
    with torch.no_grad():
        number.absent.fill_(7.0)
    arrays = {"age": torch.tensor([[1.0], [0.0]]), "age_present": torch.tensor([True, False])}
    assert number(arrays, 2, 3).tolist() == [[1.0], [7.0]]
    assert number({}, 2, 3).tolist() == [[7.0], [7.0]]
    number.initialise(torch.Generator())
    assert number({}, 1, 3).tolist() == [[0.0]]


def test_learnt_number_takes_part_in_every_pass() -> None:
    number = make_input(AGE)
    arrays = {"age": torch.tensor([[1.0]]), "age_present": torch.tensor([True])}
    number(arrays, 1, 3).sum().backward()
    assert number.absent.grad.tolist() == [0.0]  # type: ignore[union-attr]
    number({}, 2, 3).sum().backward()
    assert number.absent.grad.tolist() == [2.0]  # type: ignore[union-attr]
