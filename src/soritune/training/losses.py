"""The losses of a micro-batch: one forward pass, then one loss per output. Next: `training/step.py`."""

from __future__ import annotations

from torch import nn

from soritune.models.losses.loss import LossSum, loss_sum
from soritune.models.model import ModelOutput, SpeechModel
from soritune.training.batches.batch import Batch


def losses(
    model: SpeechModel, batch: Batch, *, wrapped: nn.Module | None = None
) -> tuple[ModelOutput, dict[str, LossSum]]:
    """Logits of a micro-batch and the loss of each output, not yet divided.

    Args:
        model: declares the outputs.
        batch: on the model's device.
        wrapped: the model as the accelerator wrapped it, called instead of `model`.

    Returns:
        The output of the forward pass, and loss sum and count by output's name.
    """
    output: ModelOutput = (wrapped or model)(**batch.inputs)
    sums = {}
    for spec in model.outputs:
        target, logits = batch.targets[spec.name], output.logits[spec.name]
        sums[spec.name] = loss_sum(
            spec, logits, output.num_frames, target.values, target.lengths, target.present
        )
    return output, sums
