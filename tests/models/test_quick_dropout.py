from __future__ import annotations

import pytest
import torch
from torch import nn

from soritune.models.quick_dropout import QuickDropout, quicken_dropout


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
def test_share_scale_and_independence_are_those_of_dropout(p: float) -> None:
    """400,000 draws: the share dropped lies within five standard deviations of p, in each of the four lanes of a draw;
    neighbours are dropped together as often as chance has it; what is kept is scaled by 1/(1 - p)."""
    torch.manual_seed(0)
    count = 400_000
    output = QuickDropout(p)(torch.ones(count))
    kept = output != 0
    assert torch.unique(output[kept]).item() == pytest.approx(1 / (1 - p), rel=1e-3)
    assert (~kept).float().mean().item() == pytest.approx(p, abs=5 * (p * (1 - p) / count) ** 0.5 + 1 / 65536)
    for lane in range(4):
        share = (~kept[lane::4]).float().mean().item()
        assert share == pytest.approx(p, abs=5 * (p * (1 - p) / (count / 4)) ** 0.5 + 1 / 65536)
    for distance in (1, 2, 3, 4):
        together = (~kept[:-distance] & ~kept[distance:]).float().mean().item()
        assert together == pytest.approx(p * p, abs=0.004)


def test_gradient_has_the_mask_of_the_output() -> None:
    torch.manual_seed(1)
    values = torch.randn(7, 13, 5, requires_grad=True)  # 455 elements: not a multiple of four
    output = QuickDropout(0.3)(values)
    output.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad != 0, output != 0)
    assert torch.equal(values.grad * values, output)


def test_equal_seeds_give_equal_masks_on_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    masks = []
    for number in (1, 2):
        torch.set_num_threads(number)
        torch.manual_seed(5)
        masks.append(QuickDropout(0.2)(torch.ones(3, 100_000)))
    torch.set_num_threads(threads)
    assert torch.equal(*masks)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_probability_0_and_1_and_evaluation_equal_dropout(p: float) -> None:
    values = torch.randn(10)
    assert torch.equal(QuickDropout(p)(values), values * (1 - p))
    assert QuickDropout(0.5).eval()(values) is values


def test_bf16_input_gives_bf16_output() -> None:
    output = QuickDropout(0.5)(torch.ones(100, dtype=torch.bfloat16))
    assert output.dtype == torch.bfloat16
    assert set(output.tolist()) == {0.0, 2.0}


def test_every_plain_dropout_is_replaced_and_nothing_else() -> None:
    inner = nn.ModuleDict(
        {"default": nn.Dropout(0.1), "none": nn.Dropout(0.0).eval(), "axis": nn.Dropout1d(0.2)}
    )
    module = nn.Sequential(nn.Linear(2, 2), inner, nn.Dropout(0.3, inplace=True))
    names = list(module.state_dict())
    quicken_dropout(module)
    assert [type(inner[key]) for key in inner] == [QuickDropout, QuickDropout, nn.Dropout1d]
    assert inner["default"].p == 0.1
    assert inner["default"].training
    assert not inner["none"].training
    assert type(module[2]) is nn.Dropout
    assert list(module.state_dict()) == names
