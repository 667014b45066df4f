"""Two tasks that need an input beside the waveform, as another package would add them: what they learn is not in the
sound."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from soritune.tasks.results import Metric, Prediction, RateDescription, Section
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.tasks.task import Task, TaskConfig


class AskingTask(Task):
    """What both share: how many answers are right."""

    Config: ClassVar = TaskConfig
    required_fields: ClassVar = ()
    labels: ClassVar = ("low", "high")
    primary_metric = Metric("right", higher_is_better=True)
    rate_descriptions: ClassVar = {"right": RateDescription("share of answers that are right", True)}

    def __init__(self, config):
        self.config = config

    def reference(self, utterance):
        answer = utterance.extra.get("answer")
        return None if answer is None else {"answer": answer}

    def count(self, pair):
        expected, answer = pair.reference["answer"], pair.prediction.fields["answer"]
        steps = (np.arange(len(answer)) + 0.5) / max(len(answer), 1)
        right = [
            expected[int(step * len(expected))] == label for step, label in zip(steps, answer, strict=True)
        ]
        return {"right": np.asarray(float(np.sum(right))), "of": np.asarray(float(len(right)))}

    def rates(self, counts):
        of = float(counts.get("of", 0.0))
        return {"right": float(counts["right"]) / of if of else float("nan")}

    def report(self, pairs):
        return Section(title=self.name)


class Grown(AskingTask):
    """One label per utterance, from a number per row."""

    name: ClassVar = "grown"
    inputs = (InputSpec("age", "age", "age_years", "number", options={"mean": 20.0, "deviation": 10.0}),)

    @property
    def outputs(self):
        return (OutputSpec("grown", self.labels, "utterance", "cross_entropy", inputs=("age",)),)

    def targets(self, utterance):
        answer = utterance.extra.get("answer")
        return {"grown": None if answer is None else np.array(self.labels.index(answer[0]))}

    def decode(self, outputs, prompt=None, decoder=None):
        return Prediction(
            self.name, {"answer": [self.labels[int(outputs["grown"].argmax())]], "prompt": prompt}
        )


class Contour(AskingTask):
    """One label per frame, from numbers along the utterance."""

    name: ClassVar = "contour"
    inputs = (InputSpec("contour", "contour", "contour", "frame_numbers", optional=True),)

    @property
    def outputs(self):
        return (OutputSpec("contour_label", self.labels, "frame", "cross_entropy", inputs=("contour",)),)

    def targets(self, utterance):
        answer = utterance.extra.get("answer")
        ids = None if answer is None else np.array([self.labels.index(label) for label in answer])
        return {"contour_label": ids}

    def decode(self, outputs, prompt=None, decoder=None):
        best = outputs["contour_label"].argmax(axis=1)
        return Prediction(self.name, {"answer": [self.labels[i] for i in best]})


ENTRY_POINTS = """
[soritune.tasks]
grown = asking_tasks:Grown
contour = asking_tasks:Contour
"""
