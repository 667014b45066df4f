"""Heads and losses. A head follows from an output's resolution and objective; so does its loss, and no other
file computes one. Next: `models/model.py`.

Shapes: batch, frames, hidden (encoder channels), labels, symbols.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.tasks.task import OutputSpec

HF_INIT_STD = 0.02
"""Standard deviation of new linear weights, transformers' `initializer_range` for these models."""


class Head(nn.Module):
    """One output's head. Subclasses turn (batch, frames, width) into logits.

    An output of layer "weighted" has `layer_weights` (layers + 1,), whose softmax weighs the encoder's states
    as transformers' `use_weighted_layer_sum` does.
    """

    def __init__(self, spec: OutputSpec, num_layers: int) -> None:
        super().__init__()
        self.spec, self.num_layers = spec, num_layers
        if spec.layer == "weighted":
            self.layer_weights = nn.Parameter(torch.full((num_layers + 1,), 1.0 / (num_layers + 1)))

    def state(self, last: Tensor, states: dict[int, Tensor]) -> Tensor:
        """(batch, frames, hidden) this head reads, of the last state and the states by layer."""
        if self.spec.layer == "last":
            return last
        if self.spec.layer == "weighted":
            shares = torch.softmax(self.layer_weights.float(), dim=-1).to(last.dtype)
            total = states[0] * shares[0]
            for layer in range(1, self.num_layers + 1):
                total = total + states[layer] * shares[layer]
            return total
        return states[int(self.spec.layer)]

    def last_linear(self) -> nn.Linear:
        """The layer with a row per label."""
        raise NotImplementedError

    def initialise(self, seed: int) -> None:
        """New weights, drawn from `seed` alone."""
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Linear) and not module.weight.is_meta:
                with torch.no_grad():
                    module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * HF_INIT_STD)
                    if module.bias is not None:
                        module.bias.zero_()


class FrameHead(Head):
    """Dropout and a linear layer per frame: the head of `ForCTC`."""

    def __init__(self, spec: OutputSpec, width: int, num_layers: int, dropout: float) -> None:
        super().__init__(spec, num_layers)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, len(spec.labels))

    def forward(self, state: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, width) and (batch, frames) bool to (batch, frames, labels)."""
        logits: Tensor = self.linear(self.dropout(state))
        return logits

    def last_linear(self) -> nn.Linear:
        """The linear layer."""
        return self.linear


class UtteranceHead(Head):
    """Projector, pooling over the valid frames, classifier: the head of `ForSequenceClassification`.

    Pooling "mean" is transformers'; "attentive" weighs frames by a learnt score and is soritune's own. The
    dropout before the classifier is not in transformers' head and changes nothing outside training.
    """

    def __init__(
        self, spec: OutputSpec, width: int, num_layers: int, dropout: float, projector_size: int, pooling: str
    ) -> None:
        super().__init__(spec, num_layers)
        self.projector = nn.Linear(width, projector_size)
        # No bias: it would shift all scores alike, which softmax ignores.
        self.attention = nn.Linear(projector_size, 1, bias=False) if pooling == "attentive" else None
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(projector_size, len(spec.labels))

    def forward(self, state: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, width) and (batch, frames) bool to (batch, labels)."""
        projected = self.projector(state)
        if self.attention is None:
            count = valid.sum(dim=1, keepdim=True).clamp(min=1)
            pooled = projected.masked_fill(~valid[:, :, None], 0.0).sum(dim=1) / count.to(projected.dtype)
        else:
            score = self.attention(torch.tanh(projected)).masked_fill(~valid[:, :, None], -math.inf)
            pooled = (torch.softmax(score.float(), dim=1).to(projected.dtype) * projected).sum(dim=1)
        logits: Tensor = self.classifier(self.dropout(pooled))
        return logits

    def last_linear(self) -> nn.Linear:
        """The classifier."""
        return self.classifier


def make_head(
    spec: OutputSpec,
    *,
    hidden_size: int,
    num_layers: int,
    read_width: int,
    dropout: float,
    projector_size: int,
    pooling: str,
    utterance_dropout: float,
) -> Head:
    """The head an output asks for; `read_width` is the number of labels of the output it reads, or 0.

    Raises:
        ModelError: a resolution and an objective that do not go together, or a layer the encoder does not
        have.
    """
    if isinstance(spec.layer, str) and spec.layer not in ("last", "weighted") and not spec.layer.isdigit():
        raise ModelError(
            f"output '{spec.name}' reads layer '{spec.layer}'; use last, weighted or 0 … {num_layers}"
        )
    if spec.layer not in ("last", "weighted") and not 0 <= int(spec.layer) <= num_layers:
        raise ModelError(
            f"output '{spec.name}' reads layer {spec.layer}; the encoder has layers 0 … {num_layers}"
        )
    width = hidden_size + read_width
    if spec.resolution == "frame" and spec.objective == "ctc":
        return FrameHead(spec, width, num_layers, dropout)
    if spec.resolution == "utterance" and spec.objective in ("cross_entropy", "regression"):
        return UtteranceHead(spec, width, num_layers, utterance_dropout, projector_size, pooling)
    raise ModelError(
        f"output '{spec.name}' asks for {spec.objective} per {spec.resolution}; there is ctc per frame, and "
        "cross_entropy and regression per utterance"
    )


def reading_order(outputs: Sequence[OutputSpec]) -> tuple[str, ...]:
    """Names of `outputs` so that each comes after the one it reads.

    Raises:
        ModelError: an output reads one that does not exist, or they read each other in a ring.
    """
    by_name = {spec.name: spec for spec in outputs}
    order: list[str] = []
    waiting = list(by_name)
    while waiting:
        ready = [name for name in waiting if by_name[name].reads is None or by_name[name].reads in order]
        if not ready:
            raise ModelError(
                f"output '{waiting[0]}' reads '{by_name[waiting[0]].reads}', which is "
                + (
                    "part of a ring"
                    if by_name[waiting[0]].reads in by_name
                    else "not an output of this model"
                )
            )
        order += ready
        waiting = [name for name in waiting if name not in ready]
    return tuple(order)


def log_probabilities(spec: OutputSpec, logits: Tensor) -> Tensor:
    """What an output's reader sees: float32 log-probabilities over the last axis, or the values of a
    regression."""
    return logits.float() if spec.objective == "regression" else torch.log_softmax(logits.float(), dim=-1)


class LossSum(NamedTuple):
    """A loss not yet divided: sums and counts of micro-batches and ranks add, their quotients do not."""

    total: Tensor
    """Scalar float32 with gradient: the sum over labelled rows (nats; squared error for a regression)."""
    count: Tensor  # type: ignore[assignment]
    """Scalar float32: what `total` is divided by: target symbols (ctc), weighted target mass (cross_entropy),
    values (regression)."""


def loss_sum(
    spec: OutputSpec,
    logits: Tensor,
    num_frames: Tensor,
    targets: Tensor,
    target_lengths: Tensor | None = None,
    labelled: Tensor | None = None,
) -> LossSum:
    """Loss of one output over one micro-batch, in float32 whatever autocast is on.

    Args:
        spec: the output; `options["blank"]` for ctc, `options["class_weights"]` for cross_entropy.
        logits: (batch, frames, labels), or (batch, labels) for an utterance output.
        num_frames: (batch,) int64 valid frames.
        targets: ctc: (batch, symbols) int64, padded with anything; cross_entropy: (batch, labels) target mass
            or (batch,) label ids; regression: (batch, values).
        target_lengths: (batch,) int64 symbols per row; ctc only.
        labelled: (batch,) bool, False for rows that have no such label; None means all have.
    """
    if labelled is None:
        labelled = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
    with torch.autocast(logits.device.type, enabled=False):
        if spec.objective == "ctc":
            if target_lengths is None:
                raise ValueError("ctc needs target_lengths")
            return _ctc(
                logits.float(),
                num_frames,
                targets,
                target_lengths,
                labelled,
                int(spec.options.get("blank", 0)),
            )
        if spec.objective == "cross_entropy":
            return _cross_entropy(logits.float(), targets, labelled, spec)
        known = torch.where(labelled[:, None], targets.float(), logits.detach().float())
        total = (logits.float() - known).square().sum()
        return LossSum(total, labelled.sum().float() * logits.shape[-1])


def infeasible_rows(num_frames: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """(batch,) bool: rows that no CTC path can spell in their frames.

    A path needs a frame per symbol and a blank between equal neighbours (Graves et al. 2006, §3.1). Such a
    row's loss is infinite, which the training loop reports; the collator leaves them out beforehand.
    """
    position = torch.arange(targets.shape[1], device=targets.device)
    repeats = ((targets[:, 1:] == targets[:, :-1]) & (position[1:] < lengths[:, None])).sum(-1)
    return (lengths + repeats > num_frames) | (num_frames < 1)


def _ctc(
    logits: Tensor, num_frames: Tensor, targets: Tensor, lengths: Tensor, labelled: Tensor, blank: int
) -> LossSum:
    """Sum of -log p(targets | frames) (Graves et al. 2006, eq. 8) over the labelled rows."""
    position = torch.arange(targets.shape[1], device=targets.device)
    # Rows without a label pass through with one frame and no symbols, which keeps them finite.
    losses = nn.functional.ctc_loss(
        torch.log_softmax(logits, dim=-1).transpose(0, 1),
        torch.where(labelled[:, None] & (position < lengths[:, None]), targets, 0 if blank else 1),
        torch.where(labelled, num_frames, 1),
        torch.where(labelled, lengths, 0),
        blank=blank,
        reduction="none",
    )
    total = torch.where(labelled, losses, 0.0).sum()
    return LossSum(total, torch.where(labelled, lengths, 0).sum().float())


def _cross_entropy(logits: Tensor, targets: Tensor, labelled: Tensor, spec: OutputSpec) -> LossSum:
    """Sum of -Σ_k w_k t_k log p_k over rows, counted as Σ w_k t_k: PyTorch's weighted mean once divided."""
    if targets.ndim == 1:
        targets = nn.functional.one_hot(torch.where(labelled, targets, 0), logits.shape[-1])
    mass = torch.where(labelled[:, None], targets.float(), 0.0)
    weights = spec.options.get("class_weights")
    if weights is not None:
        mass = mass * _constant(tuple(float(weight) for weight in weights), logits.device)
    total = -(mass * torch.log_softmax(logits, dim=-1)).sum()
    return LossSum(total, mass.sum())


@lru_cache(maxsize=32)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Class weights on the device once, not once per step."""
    return torch.tensor(values, dtype=torch.float32, device=device)
