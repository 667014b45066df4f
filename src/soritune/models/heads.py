"""The heads of outputs; an output's objective decides which one it has. Next: `models/losses/loss.py`.

Shapes: batch, frames, width (channels that a head reads: hidden size, labels of a read output, inputs), labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from soritune.errors import ModelError
from soritune.tasks.specs import OutputSpec

HF_INIT_STD = 0.02
"""Standard deviation of new linear weights, transformers' `initializer_range` for these models."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """Sizes and dropouts of a head."""

    width: int
    """Channels it reads per frame."""
    num_layers: int
    """Transformer layers of the encoder."""
    dropout: float
    """Dropout before the linear layer of a head per frame."""
    utterance_dropout: float
    """Dropout before the classifier of a head per utterance."""
    projector_size: int
    """Channels after the projector of a head per utterance."""
    pooling: str
    """How a head per utterance joins its frames to one vector: "mean" or "attentive"."""


class Head(nn.Module):
    """The head of one output. Subclasses compute logits from (batch, frames, width).

    The head of an output with layer "weighted" has `layer_weights` (layers + 1,). Their softmax weights the encoder's
    states as in transformers' `use_weighted_layer_sum`.
    """

    def __init__(self, spec: OutputSpec, num_layers: int) -> None:
        super().__init__()
        self.spec, self.num_layers = spec, num_layers
        if spec.layer == "weighted":
            self.layer_weights = nn.Parameter(torch.full((num_layers + 1,), 1.0 / (num_layers + 1)))

    @classmethod
    def of(cls, spec: OutputSpec, settings: HeadSettings) -> Head:
        """A head for `spec`."""
        raise NotImplementedError

    def state(self, last: Tensor, states: dict[int, Tensor]) -> Tensor:
        """The state (batch, frames, hidden) that this head reads, from the last state and the states by layer; without
        channels for an output that reads inputs alone."""
        if self.spec.layer == "last":
            return last
        if self.spec.layer == "none":
            return last[..., :0]
        if self.spec.layer == "weighted":
            shares = torch.softmax(self.layer_weights.float(), dim=-1).to(last.dtype)
            total = states[0] * shares[0]
            for layer in range(1, self.num_layers + 1):
                total = total + states[layer] * shares[layer]
            return total
        if isinstance(self.spec.layer, tuple):
            return torch.cat([states[layer] for layer in self.spec.layer], dim=-1)
        return states[int(self.spec.layer)]

    def last_linear(self) -> nn.Linear:
        """The linear layer with a row per label."""
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

    @classmethod
    def of(cls, spec: OutputSpec, settings: HeadSettings) -> FrameHead:
        """A head for `spec`."""
        return cls(spec, settings.width, settings.num_layers, settings.dropout)

    def forward(self, state: Tensor, valid: Tensor) -> Tensor:
        """(batch, frames, width) and (batch, frames) bool to (batch, frames, labels)."""
        logits: Tensor = self.linear(self.dropout(state))
        return logits

    def last_linear(self) -> nn.Linear:
        """The linear layer."""
        return self.linear


class UtteranceHead(Head):
    """Projector, pooling over the valid frames, classifier: the head of `ForSequenceClassification`.

    Pooling "mean" is transformers'; "attentive" weights frames by a learnt score and is soritune's own. The dropout
    before the classifier is not in transformers' head and acts in training only.
    """

    def __init__(
        self, spec: OutputSpec, width: int, num_layers: int, dropout: float, projector_size: int, pooling: str
    ) -> None:
        super().__init__(spec, num_layers)
        self.projector = nn.Linear(width, projector_size)
        # No bias: it would shift all scores by the same amount, which softmax ignores.
        self.attention = nn.Linear(projector_size, 1, bias=False) if pooling == "attentive" else None
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(projector_size, len(spec.labels))

    @classmethod
    def of(cls, spec: OutputSpec, settings: HeadSettings) -> UtteranceHead:
        """A head for `spec`."""
        return cls(
            spec,
            settings.width,
            settings.num_layers,
            settings.utterance_dropout,
            settings.projector_size,
            settings.pooling,
        )

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


def reading_order(outputs: Sequence[OutputSpec]) -> tuple[str, ...]:
    """Names of `outputs`, each after the output it reads.

    Raises:
        ModelError: an output reads one that does not exist, or outputs read each other in a ring.
    """
    by_name = {spec.name: spec for spec in outputs}
    order: list[str] = []
    waiting = list(by_name)
    while waiting:
        ready = [name for name in waiting if by_name[name].reads is None or by_name[name].reads in order]
        if not ready:
            name, source = waiting[0], by_name[waiting[0]].reads
            reason = "part of a ring" if source in by_name else "not an output of this model"
            raise ModelError(f"output '{name}' reads '{source}', which is {reason}")
        order += ready

        waiting = [name for name in waiting if name not in ready]
    return tuple(order)


def initialise_uniformly(head: nn.Module, seed: int) -> None:
    """New weights from `seed` alone, as torch draws them: uniform within 1 / sqrt(inputs of a unit), those of an
    embedding within 1. Other modules keep theirs."""
    generator = torch.Generator().manual_seed(seed)
    for module in head.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            bound = 1 / math.sqrt(module.weight[0].numel())
        elif isinstance(module, nn.GRU):
            bound = 1 / math.sqrt(module.hidden_size)
        elif isinstance(module, nn.Embedding):
            bound = 1.0
        else:
            continue
        for weight in module.parameters(recurse=False):
            if not weight.is_meta:
                drawn = torch.rand(weight.shape, generator=generator)
                weight.data.copy_((2 * drawn - 1) * bound)
