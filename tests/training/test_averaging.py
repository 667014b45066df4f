from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from soritune.training.averaging import Averager, decay_after
from soritune.training.config import EmaSettings


def test_decay_grows_to_its_maximum() -> None:
    settings = EmaSettings(decay=0.999)
    assert [decay_after(n, settings) for n in (1, 2, 90)] == pytest.approx([2 / 11, 3 / 12, 0.91])
    assert decay_after(100_000, settings) == 0.999


def test_average_equals_the_recursion() -> None:
    model = nn.Linear(1, 1, bias=False)
    frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    model.register_parameter("frozen", frozen)
    with torch.no_grad():
        model.weight.fill_(1.0)
        averager = Averager(model, EmaSettings(decay=0.2))
        model.weight.fill_(2.0)
        averager.update(1)  # 2/11 of the old one
        model.weight.fill_(5.0)
        averager.update(2)  # min(0.2, 3/12) = 0.2 of the old one
    first = 1.0 * 2 / 11 + 2.0 * 9 / 11
    assert float(averager.weights["weight"]) == pytest.approx(0.2 * first + 0.8 * 5.0)
    assert set(averager.weights) == {"weight"}


def test_weights_are_restored_bit_for_bit() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 3)
    averager = Averager(model, EmaSettings(decay=0.5))
    with torch.no_grad():
        model.weight.normal_()
    averager.update(1)
    weight, average = model.weight.detach().clone(), averager.weights["weight"].clone()

    def fail_inside() -> None:
        with averager.in_place():
            assert torch.equal(model.weight, average)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail_inside()
    assert torch.equal(model.weight, weight)
    assert torch.equal(averager.weights["weight"], average)


def test_optimizer_trains_the_weights_after_a_swap() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    averager = Averager(model, EmaSettings(decay=0.5))
    before = model.weight.detach().clone()
    with averager.in_place():
        pass
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not torch.equal(model.weight, before)
    assert np.isfinite(model.weight.detach().numpy()).all()
