"""A kind of input and a task that reads it, as another package would add them: both halves of the kind in one file."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from soritune.errors import TaskError
from soritune.tasks.inputs.input import PRESENT, InputKind
from soritune.tasks.results import Metric, Prediction, RateDescription, Section
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.tasks.task import Task, TaskConfig


class Letters(InputKind):
    """The share of each of the letters a to z in a text."""

    def encode(self, spec, value):
        if not isinstance(value, str):
            raise TaskError(f"input '{spec.name}' must be text, got {value!r}")
        counts = np.array([value.count(chr(97 + n)) for n in range(26)], dtype=np.float32)
        return counts / max(counts.sum(), 1)

    def pad(self, spec, rows, num_frames):
        shares = np.stack(
            [np.zeros(26, np.float32) if row is None else row for row in rows] or [np.zeros(26)]
        )
        present = np.array([row is not None for row in rows], dtype=bool)
        return {spec.name: shares[: len(rows)].astype(np.float32), spec.name + PRESENT: present}


def module(spec: InputSpec) -> Any:
    """The torch half; torch is imported when a model is built."""
    import torch
    from torch import nn

    from soritune.models.inputs.input import InputModule

    class LettersModule(InputModule):
        silent: ClassVar = ("absent",)
        width = 4

        def __init__(self, spec):
            super().__init__(spec)
            self.letters = nn.Embedding(26, self.width)
            self.absent = nn.Parameter(torch.zeros(self.width))

        def initialise(self, generator):
            with torch.no_grad():
                self.letters.weight.copy_(torch.randn(26, self.width, generator=generator))
                self.absent.zero_()

        def forward(self, inputs, batch, frames):
            shares, present = inputs.get(self.spec.name), inputs.get(self.spec.name + PRESENT)
            if shares is None:
                return self.absent.expand(batch, -1) + 0.0 * self.letters.weight.sum()
            return torch.where(present[:, None], shares @ self.letters.weight, self.absent)

    return LettersModule(spec)


class Mood(Task):
    """One of two labels, from the text beside the sound."""

    name: ClassVar = "mood"
    Config: ClassVar = TaskConfig
    required_fields: ClassVar = ()
    inputs = (InputSpec("words", "text", "text", "letters", optional=True),)
    labels: ClassVar = ("good", "bad")
    primary_metric = Metric("right", higher_is_better=True)
    rate_descriptions: ClassVar = {"right": RateDescription("share of answers that are right", True)}

    def __init__(self, config):
        self.config = config

    @property
    def outputs(self):
        return (OutputSpec("mood", self.labels, "utterance", "cross_entropy", inputs=("words",)),)

    def targets(self, utterance):
        mood = utterance.extra.get("mood")
        return {"mood": None if mood is None else np.array(self.labels.index(mood))}

    def decode(self, outputs, prompt=None, decoder=None):
        return Prediction(self.name, {"label": self.labels[int(outputs["mood"].argmax())]})

    def reference(self, utterance):
        mood = utterance.extra.get("mood")
        return None if mood is None else {"label": mood}

    def count(self, pair):
        right = pair.reference["label"] == pair.prediction.fields["label"]
        return {"right": np.asarray(float(right)), "of": np.asarray(1.0)}

    def rates(self, counts):
        of = float(counts.get("of", 0.0))
        return {"right": float(counts["right"]) / of if of else float("nan")}

    def report(self, pairs):
        return Section(title="Mood")


INPUT = Letters()

ENTRY_POINTS = """
[soritune.tasks]
mood = letters_input:Mood

[soritune.tasks.inputs]
letters = letters_input:INPUT

[soritune.models.inputs]
letters = letters_input:module
"""
