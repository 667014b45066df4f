"""Averages of the trained weights over the steps of a phase (EMA). Next: `training/step.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from soritune.training.checkpoint import copy_weights
from soritune.training.config import EmaSettings


def decay_after(step: int, settings: EmaSettings) -> float:
    """Share of the old average that step `step`, counted from 1, leaves: (1 + n) / (10 + n), at most `decay`.

    With a constant decay the first weights would still have a share of 1/e after 1/(1 - decay) steps.
    """
    return min(settings.decay, (1 + step) / (10 + step))


class Averager:
    """Keeps the average of the weights that are trained, in float32 beside them.

    Adapters are averaged factor by factor and merged afterwards: the average of the products B A differs from the
    product of the averages, and the product is what the averaged model computes.
    """

    def __init__(self, model: nn.Module, settings: EmaSettings) -> None:
        self.settings = settings
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = {name: p.detach().clone() for name, p in self._trained.items()}
        """The averages by the weights' names."""

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Adds the weights after step `step`, counted from 1 within the phase. Never waits for the device."""
        torch._foreach_lerp_(
            list(self.weights.values()),
            list(self._trained.values()),
            1.0 - decay_after(step, self.settings),
        )

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights while the block runs, and its own again afterwards, bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self._trained.items():
            parameter.data, self.weights[name] = self.weights[name], parameter.data

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Restores averages from a checkpoint.

        Raises:
            TrainingError: averages of other weights.
        """
        copy_weights(self.weights, weights)
