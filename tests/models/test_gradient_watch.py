from __future__ import annotations

import pytest
import torch
from torch import nn

from soritune.models.config import LoraSettings
from soritune.models.gradient_watch import GradientWatch, check_gradients
from soritune.models.losses.loss import loss_sum
from soritune.testing import FAMILIES, class_output, ctc_output


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("adapters", [False, True])
@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_every_trained_tensor_gets_a_gradient(kind, norm, adapters, build, waves) -> None:
    """The commonest silent fault of the field, for every family, with and without LoRA, and for every
    head."""
    outputs = (ctc_output(), class_output(layer="weighted"), class_output("age", reads="phoneme"))
    model = build(
        kind, norm, 2, outputs, lora=LoraSettings(rank=2) if adapters else None, pooling="attentive"
    ).train()
    watch = GradientWatch(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    targets = {"phoneme": torch.tensor([[1, 2], [3, 3], [4, 5]]), "emotion": torch.tensor([0, 1, 2])}
    for step in range(3):
        optimizer.zero_grad()
        output = model(*waves)
        losses = [
            loss_sum(
                spec,
                output.logits[spec.name],
                output.num_frames,
                targets.get(spec.name, targets["emotion"]),
                torch.tensor([2, 2, 2]),
            ).total
            for spec in outputs
        ]
        sum(losses).backward()
        watch.observe()
        if step == 0 and adapters:
            # B starts at zero, so A's first gradient is zero: why the watch looks at several steps.
            assert [name for name in watch.silent() if "lora_A" not in name] == []
            assert len(watch.silent()) == 6
        optimizer.step()
    assert watch.silent() == []
    if adapters:
        assert sum("lora_" in name for name in trained(model)) == 12


def test_silent_tensor_is_reported_by_name(build, waves) -> None:
    model = build(outputs=(ctc_output(), class_output())).train()
    watch = GradientWatch(model)
    assert set(watch.silent()) <= trained(model)
    assert watch.silent()
    model(*waves).logits["phoneme"].square().sum().backward()
    watch.observe()
    unused = ["projector.weight", "projector.bias", "classifier.weight", "classifier.bias"]
    assert watch.silent() == check_gradients(model) == [f"heads.emotion.{name}" for name in unused]


def test_gradient_observed_once_counts_and_nan_does_not() -> None:
    model = nn.Linear(2, 1)
    watch = GradientWatch(model)
    model.weight.grad, model.bias.grad = torch.full((1, 2), 1e-30), torch.tensor([torch.nan])
    watch.observe()
    assert watch.silent() == ["bias"]
    model.weight.grad, model.bias.grad = torch.zeros(1, 2), torch.tensor([torch.inf])
    watch.observe()
    assert watch.silent() == []
