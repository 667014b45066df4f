"""A task for each objective that no task of soritune has, as a package outside of soritune brings tasks."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from soritune.tasks.results import Metric, Prediction, RateDescription, Section
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task, TaskConfig

STYLES = ("Anxious", "Kind", "Dry")


class ToyTask(Task):
    """What the three tasks share: no settings, no report, shares of right answers."""

    Config: ClassVar = TaskConfig
    required_fields: ClassVar = ()
    primary_metric = Metric("right", higher_is_better=True)

    def __init__(self, config):
        self.config = config

    def reference(self, utterance):
        answer = self.answer(utterance)
        return None if answer is None else {"answer": answer}

    def count(self, pair):
        reference, answer = pair.reference["answer"], pair.prediction.fields["answer"]
        right = self.right(reference, answer)
        return {"right": np.asarray(float(np.sum(right))), "of": np.asarray(float(np.size(right)))}

    def rates(self, counts):
        of = float(counts.get("of", 0.0))
        return {"right": float(counts["right"]) / of if of else float("nan")}

    @property
    def rate_descriptions(self):
        return {"right": RateDescription("share of answers that are right", higher_is_better=True)}

    def report(self, pairs):
        return Section(title=self.name)

    def right(self, reference, answer):
        return reference == answer


class Tones(ToyTask):
    """Cross-entropy per frame: low or high, from a row's phones, which share its length evenly."""

    name: ClassVar = "tones"
    labels = ("low", "high")

    @property
    def outputs(self):
        return (OutputSpec("tones", self.labels, "frame", "cross_entropy"),)

    def answer(self, utterance):
        return None if utterance.phones is None else list(utterance.phones)

    def targets(self, utterance):
        phones = self.answer(utterance)
        return {"tones": None if phones is None else np.array([self.labels.index(p) for p in phones])}

    def decode(self, outputs, prompt=None, decoder=None):
        best = outputs["tones"].argmax(axis=1)
        return Prediction(self.name, {"answer": [self.labels[i] for i in best]})

    def right(self, reference, answer):
        """Per frame, against the phone that sounds at its centre."""
        centres = (np.arange(len(answer)) + 0.5) / max(len(answer), 1)
        expected = [reference[int(centre * len(reference))] for centre in centres]
        return [a == b for a, b in zip(expected, answer, strict=True)]


class Above(ToyTask):
    """Multi-label: whether the tone of an emotion's style lies above 200 and above 300 Hz."""

    name: ClassVar = "above"
    flags: ClassVar = {"Dry": [0, 0], "Kind": [1, 0], "Anxious": [1, 1]}

    @property
    def outputs(self):
        return (OutputSpec("above", ("200", "300"), "utterance", "multi_label"),)

    def answer(self, utterance):
        return None if utterance.emotion is None else self.flags[utterance.emotion]

    def targets(self, utterance):
        answer = self.answer(utterance)
        return {"above": None if answer is None else np.array(answer, dtype=np.float32)}

    def decode(self, outputs, prompt=None, decoder=None):
        probabilities = np.exp(outputs["above"].astype(np.float64))
        return Prediction(
            self.name,
            {"answer": [int(p > 0.5) for p in probabilities], "probabilities": probabilities.tolist()},
        )

    def right(self, reference, answer):
        return [a == b for a, b in zip(reference, answer, strict=True)]


class Soft(ToyTask):
    """KL divergence: a teacher that gives the style 0.8 and the two others 0.1 each."""

    name: ClassVar = "soft"
    single_label: ClassVar = True

    @property
    def outputs(self):
        return (OutputSpec("soft", STYLES, "utterance", "kl_divergence", options={"temperature": 2.0}),)

    def answer(self, utterance):
        return utterance.emotion

    def targets(self, utterance):
        teacher = [0.8 if style == utterance.emotion else 0.1 for style in STYLES]
        return {"soft": None if utterance.emotion is None else np.array(teacher)}

    def decode(self, outputs, prompt=None, decoder=None):
        probabilities = np.exp(outputs["soft"].astype(np.float64))
        label = STYLES[int(probabilities.argmax())]
        return Prediction(
            self.name,
            {
                "answer": label,
                "label": label,
                "confidence": float(probabilities.max()),
                "sum": probabilities.sum(),
            },
        )


ENTRY_POINTS = """
[soritune.tasks]
tones = toy_tasks:Tones
above = toy_tasks:Above
soft = toy_tasks:Soft
"""
