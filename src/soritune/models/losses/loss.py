"""The contract of an objective's torch half: the head of an output, and the loss of its logits.

A file in this folder that binds an instance of a `Loss` to `LOSS` is the torch half of the objective of its name
(`tasks/objectives/`); the functions below call it. Other packages join with an entry point in the group
`soritune.models.losses`. Next: `models/model.py`.

Legend of shapes: batch, frames, hidden (encoder channels), labels, symbols.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from soritune.errors import ModelError
from soritune.models.heads import FrameHead, Head, HeadSettings, UtteranceHead
from soritune.models.hub_names import HeadKind
from soritune.models.sequence_head import SequenceHead
from soritune.registry import load_identifier
from soritune.tasks.objectives.objective import check_output
from soritune.tasks.specs import OutputSpec, layer_numbers

FOLDER = "soritune.models.losses"


class LossSum(NamedTuple):
    """A loss before division: sums and counts of micro-batches and ranks add, their quotients do not."""

    total: Tensor
    """Scalar float32 with gradient: the sum over labelled rows, or frames of them."""
    count: Tensor  # type: ignore[assignment]
    """Scalar float32: the divisor of `total`, equal to `PaddedTargets.count`."""


class Loss(ABC):
    """Head and loss of an objective. Instances have no state."""

    is_traceable: ClassVar[bool] = True
    """Whether the head can be part of the graph of another program."""

    def head(self, spec: OutputSpec) -> type[Head]:
        """The head of an output; by default a linear layer per frame, with layers along time below it if the output
        has a `head`, or a pooled head per utterance."""
        if not spec.per_frame:
            return UtteranceHead
        return SequenceHead if spec.head else FrameHead

    @abstractmethod
    def loss_sum(
        self,
        spec: OutputSpec,
        logits: Tensor,
        num_frames: Tensor,
        targets: Tensor,
        target_lengths: Tensor | None,
        labelled: Tensor,
    ) -> LossSum:
        """Loss of one output over one micro-batch; `logits` are float32 and autocast is off.

        Args:
            spec: the output.
            logits: (batch, frames, labels), or (batch, labels) for an output per utterance.
            num_frames: (batch,) int64 valid frames.
            targets: `PaddedTargets.values` of the objective.
            target_lengths: (batch,) int64, `PaddedTargets.lengths`, or None.
            labelled: (batch,) bool: rows with a target. Other rows must contribute neither loss nor gradient.
        """

    def log_probabilities(self, spec: OutputSpec, logits: Tensor) -> Tensor:
        """`Objective.log_probabilities` as a float32 tensor in the shape of `logits`; by default log-softmax."""
        return torch.log_softmax(logits.float(), dim=-1)

    def head_kind(self, spec: OutputSpec, pooling: str) -> HeadKind | None:
        """The head of transformers with the same logits for the same encoder state, or None.

        By default that of `ForSequenceClassification` for an output per utterance with mean pooling.
        """
        is_classification = not spec.per_frame and pooling == "mean" and spec.layer in ("last", "weighted")
        return "classification" if is_classification else None


@lru_cache(maxsize=256)
def _load(name: str) -> Loss:
    loss: Loss = load_identifier(FOLDER, "LOSS", name, "loss (the torch half of an objective)")
    return loss


def loss_of(spec: OutputSpec) -> Loss:
    """The loss of the objective that `spec` names.

    Raises:
        UnknownNameError: no loss has this name.
    """
    return _load(spec.objective)


def loss_sum(
    spec: OutputSpec,
    logits: Tensor,
    num_frames: Tensor,
    targets: Tensor,
    target_lengths: Tensor | None = None,
    labelled: Tensor | None = None,
) -> LossSum:
    """Loss of one output over one micro-batch, in float32 even under autocast.

    Args:
        spec: the output.
        logits: (batch, frames, labels), or (batch, labels) for an output per utterance.
        num_frames: (batch,) int64 valid frames.
        targets: `PaddedTargets.values` of the objective.
        target_lengths: (batch,) int64 symbols or frames of each row's target; None if there is no such axis, or if
            targets of frames are as long as `num_frames`.
        labelled: (batch,) bool, False for rows without such a label; None means all rows have one.
    """
    if labelled is None:
        labelled = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
    with torch.autocast(logits.device.type, enabled=False):
        return loss_of(spec).loss_sum(spec, logits.float(), num_frames, targets, target_lengths, labelled)


def log_probabilities(spec: OutputSpec, logits: Tensor) -> Tensor:
    """What tasks decode and what heads that read this output get, as float32 in the shape of `logits`.

    Log-probabilities, or the numbers of a regression.
    """
    return loss_of(spec).log_probabilities(spec, logits)


def head_kind(spec: OutputSpec, pooling: str) -> HeadKind | None:
    """The head of transformers that computes the same as this output's head, or None."""
    return None if spec.reads is not None or spec.inputs else loss_of(spec).head_kind(spec, pooling)


def make_head(
    spec: OutputSpec,
    *,
    width: int,
    num_layers: int,
    dropout: float,
    projector_size: int,
    pooling: str,
    utterance_dropout: float,
) -> Head:
    """The head of an output.

    Args:
        spec: the output.
        width: channels it reads per frame: those of the encoder's states, of another output and of inputs.
        num_layers: transformer layers of the encoder.
        dropout: see `HeadSettings`, and for the other arguments too.
        projector_size: width of the projector.
        pooling: "mean" or "attentive".
        utterance_dropout: dropout of a head per utterance.

    Raises:
        UnknownNameError: no objective has this name.
        TaskError: a resolution or an option that the objective does not have.
        ModelError: a layer the encoder does not have.
    """

    check_output(spec)
    named = ("last", "weighted", "none")
    if isinstance(spec.layer, str) and spec.layer not in named and not spec.layer.isdigit():
        raise ModelError(
            f"output '{spec.name}' reads layer '{spec.layer}'; use last, weighted or 0 … {num_layers}"
        )
    numbers = layer_numbers(spec)
    beyond = next((number for number in numbers if not 0 <= number <= num_layers), None)
    if beyond is not None:
        raise ModelError(
            f"output '{spec.name}' reads layer {beyond}; the encoder has layers 0 … {num_layers}"
        )
    if len(set(numbers)) < len(numbers):
        raise ModelError(
            f"output '{spec.name}' reads the layers {', '.join(map(str, numbers))}; name each once"
        )
    if isinstance(spec.layer, tuple) and len(numbers) < 2:
        raise ModelError(
            f"output '{spec.name}' has a list of {len(numbers)} layers; give several, or one number"
        )
    settings = HeadSettings(
        width=width,
        num_layers=num_layers,
        dropout=dropout,
        utterance_dropout=utterance_dropout,
        projector_size=projector_size,
        pooling=pooling,
    )
    return loss_of(spec).head(spec).of(spec, settings)
