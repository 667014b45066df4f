"""Finds trained tensors that never had a gradient, the most common silent fault of fine-tuning."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def check_gradients(model: nn.Module) -> list[str]:
    """Names of trained tensors that have no gradient or only zeros at this moment. Waits for the device."""
    watch = GradientWatch(model)
    watch.observe()
    return watch.silent()


class GradientWatch:
    """Records which trained tensors have had a gradient.

    `observe`, to be called after each backward pass, adds a few kernels and never waits for the device; `silent` waits
    once. An adapter's A has a zero gradient until its B has changed, so call `silent` after several steps.
    """

    def __init__(self, model: nn.Module) -> None:
        silent: tuple[str, ...] = getattr(model, "silent_weights", ())
        self._watched = [
            (name, parameter)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and not name.endswith(silent)
        ]
        self._largest: Tensor | None = None

    def observe(self) -> None:
        """Records the present gradients."""
        with torch.no_grad():
            present = [(i, p.grad) for i, (_, p) in enumerate(self._watched) if p.grad is not None]
            if not present:
                return
            norms = torch.stack(
                [norm.float() for norm in torch._foreach_norm([grad for _, grad in present], float("inf"))]
            )
            if self._largest is None:
                self._largest = torch.zeros(len(self._watched), device=norms.device)
            index = torch.tensor([i for i, _ in present], device=norms.device)
            self._largest.scatter_reduce_(0, index, norms.nan_to_num(nan=0.0), "amax")

    def silent(self) -> list[str]:
        """Names of the tensors whose gradient was zero or absent at every `observe`."""

        if self._largest is None:
            return [name for name, _ in self._watched]
        has_gradient = (self._largest > 0).tolist()
        return [name for (name, _), yes in zip(self._watched, has_gradient, strict=True) if not yes]
