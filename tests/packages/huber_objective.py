"""An objective that soritune does not have, both halves and a task for it in one file, as a package brings it.

The torch half is made at its first use, so that the other half loads without torch.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from soritune.tasks.objectives.dense import DenseObjective
from soritune.tasks.results import Metric, Prediction, RateDescription, Section
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task, TaskConfig

PITCH = {"Dry": -1.0, "Kind": 0.0, "Anxious": 1.0}


class Huber(DenseObjective):
    """Target: a number per label. Option `delta`: where the loss becomes linear (Huber 1964)."""

    options: ClassVar = ("delta",)

    def value_fault(self, spec, values):
        return None if np.isfinite(values).all() else "values must be finite"

    def log_probabilities(self, spec, logits):
        return logits.astype(np.float32)

    def weighted_mean(self, parts, shares):
        return np.tensordot(shares, parts, axes=1).astype(np.float32)


OBJECTIVE = Huber()


def __getattr__(name):
    if name != "LOSS":
        raise AttributeError(name)
    import torch

    from soritune.models.losses.cells import labelled_cells
    from soritune.models.losses.loss import Loss, LossSum

    class HuberLoss(Loss):
        def loss_sum(self, spec, logits, num_frames, targets, target_lengths, labelled):
            logits, targets, counted = labelled_cells(
                spec, logits, num_frames, targets, target_lengths, labelled
            )
            known = torch.where(counted, targets, logits.detach())
            delta = spec.options.get("delta", 1.0)
            total = torch.nn.functional.huber_loss(logits, known, reduction="sum", delta=delta)
            return LossSum(total, counted.sum().float() * logits.shape[-1])

        def log_probabilities(self, spec, logits):
            return logits.float()

    return HuberLoss()


class Pitch(Task):
    """The pitch of a style, as a number."""

    name: ClassVar = "pitch"
    Config: ClassVar = TaskConfig
    required_fields: ClassVar = ("emotion",)
    primary_metric = Metric("absolute_error", higher_is_better=False)

    def __init__(self, config):
        self.config = config

    @property
    def outputs(self):
        return (OutputSpec("pitch", ("octaves",), "utterance", "huber", options={"delta": 0.5}),)

    def targets(self, utterance):
        return {"pitch": None if utterance.emotion is None else np.array([PITCH[utterance.emotion]])}

    def decode(self, outputs, prompt=None, decoder=None):
        return Prediction(self.name, {"octaves": float(outputs["pitch"][0])})

    def reference(self, utterance):
        return None if utterance.emotion is None else {"octaves": PITCH[utterance.emotion]}

    def count(self, pair):
        error = abs(pair.reference["octaves"] - pair.prediction.fields["octaves"])
        return {"error": np.asarray(error), "rows": np.asarray(1.0)}

    def rates(self, counts):
        rows = float(counts.get("rows", 0.0))
        return {"absolute_error": float(counts["error"]) / rows if rows else float("nan")}

    @property
    def rate_descriptions(self):
        return {"absolute_error": RateDescription("mean error in octaves", False, is_share=False)}

    def report(self, pairs):
        return Section(title="Pitch")


ENTRY_POINTS = """
[soritune.tasks]
pitch = huber_objective:Pitch

[soritune.tasks.objectives]
huber = huber_objective:OBJECTIVE

[soritune.models.losses]
huber = huber_objective:LOSS
"""
