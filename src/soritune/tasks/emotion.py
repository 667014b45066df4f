"""Emotion or speaking style: one label per utterance, from any label set."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.identities import identity, whole_number, without_invisible
from soritune.korean.hangul import composed
from soritune.metrics.classification import class_table, confusion_rates
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.inputs.text_encoder import TextSettings
from soritune.tasks.labels import OutputSettings, label_index, one_hot
from soritune.tasks.results import (
    Column,
    Counts,
    Matrix,
    Metric,
    Pair,
    Prediction,
    RateDescription,
    Section,
    Table,
)
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.tasks.task import Task
from soritune.tasks.text_labels import labels_by_text

logger = logging.getLogger(__name__)

RATES = {
    "wa": RateDescription(
        "weighted accuracy: share of clips that are right", higher_is_better=True, known_as="accuracy"
    ),
    "ua": RateDescription("unweighted accuracy: mean recall of the classes", higher_is_better=True),
    "macro_f1": RateDescription("mean F1 of the classes", higher_is_better=True),
    "micro_f1": RateDescription("F1 over all clips", higher_is_better=True),
    "loss": RateDescription(
        "mean cross-entropy in nats, every clip alike, labels not smoothed",
        higher_is_better=False,
        is_share=False,
        needs_probabilities=True,
    ),
}
ALONE = {"audio": "the audio alone", "text": "the text alone"}
"""What an output beside the task's own may read."""
NEAR = 0.8
"""The text alone predicts the label if its mean recall, above that of a guess, reaches this share of the model's."""
LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Smaller probabilities count as this one, so that a single utterance cannot make the loss infinite; 87 nats."""


class EmotionConfig(OutputSettings):
    """Settings of the task `emotion`."""

    labels: tuple[str, ...]
    """The classes, in the order of the model's output."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Corpus label -> class, for corpora with other names or for grouping labels."""
    leave_out: tuple[str, ...] = ()
    """Corpus labels whose rows are left out on purpose; they do not count as lost."""
    class_weights: Literal["none", "balanced"] | tuple[float, ...] = "none"
    """"balanced": rows / (classes × rows of the class), from the training split; or one weight per class."""
    metric: Literal["wa", "ua", "macro_f1"] = "ua"
    """The rate by which models are chosen; the mean recall does not reward a frequent class."""
    text: TextSettings | None = None
    """The text of an utterance as a second input; None uses the audio alone."""

    def idle_settings(self) -> dict[str, str]:
        """See `TaskConfig.idle_settings`."""
        if self.text is None:
            return {}
        idle = {} if self.text.tune == "lora" else {"text.lora": "unless tasks.emotion.text.tune=lora"}
        if self.text.fusion == "text_only":
            idle |= dict.fromkeys(
                ("text.dropout", "text.text_weight"), "with tasks.emotion.text.fusion=text_only"
            )
        return idle

    @field_validator("labels", "rename", "leave_out", mode="before")
    @classmethod
    def _composed(cls, value: Any) -> Any:
        """Hangul typed on a Mac is decomposed; equal labels must be equal texts."""
        if isinstance(value, dict):
            return {compose(key): compose(name) for key, name in value.items()}
        return [compose(name) for name in value] if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _left_out_once(self) -> EmotionConfig:
        for name, known in (("labels", self.labels), ("rename", self.rename)):
            both = [label for label in self.leave_out if label in known]
            if both:
                raise ValueError(
                    f"{', '.join(both)} is in {name} and in leave_out; take it out of one of them"
                )
        return self

    @field_validator("class_weights")
    @classmethod
    def _sound(cls, weights: Any) -> Any:
        if isinstance(weights, tuple) and (not all(0 <= w < math.inf for w in weights) or sum(weights) == 0):
            raise ValueError("class weights must be finite, none below zero, and not all zero")
        return weights

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError(f"labels must be at least two distinct names, got {list(labels)}")
        spelt: dict[str | None, str] = {}
        for label in labels:
            first = spelt.setdefault(identity(label), label)
            if first != label:
                raise ValueError(
                    f"labels {first!a} and {label!a} differ only by signs that cannot be seen; remove these signs"
                )
        return labels


def compose(text: Any) -> Any:
    """Text in Unicode's composed form (NFC) without outer spaces, a whole number as text; any other value unchanged."""
    if isinstance(text, int) and not isinstance(text, bool):
        return str(text)
    return composed(text).strip() if isinstance(text, str) else text


def _labelled(value: str) -> Utterance:
    """A row that has nothing but a label."""
    return Utterance(id="", audio="", duration_s=0.0, emotion=value)


class EmotionTask(Task):
    """Cross-entropy over `labels` on the whole utterance."""

    name: ClassVar[str] = "emotion"
    Config: ClassVar[type[EmotionConfig]] = EmotionConfig
    required_fields: ClassVar[tuple[str, ...]] = ("emotion",)
    single_label: ClassVar[bool] = True
    label_field: ClassVar[str | None] = "emotion"
    hub_tag: ClassVar[str | None] = "audio-classification"
    limits: ClassVar[tuple[str, ...]] = (
        "Inferring emotions of people at work or in education from their voice is prohibited in the European "
        "Union (AI Act, Article 5(1)(f)) except for medical and safety reasons; elsewhere people must be informed.",
        "Labels are of acted or directed speech: they are speaking styles, not states of mind.",
    )

    def __init__(self, config: EmotionConfig) -> None:
        self.config: EmotionConfig = config
        if isinstance(config.class_weights, tuple) and len(config.class_weights) != len(config.labels):
            raise TaskError(
                f"emotion has {len(config.labels)} labels but {len(config.class_weights)} class weights; "
                "give one per label"
            )

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The text, if the settings have one."""
        return () if self.config.text is None else (self.config.text.input_spec(),)

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """`emotion`; with a text also `emotion_audio` and `emotion_text`, which read one of both."""
        text, layer = self.config.text, self.config.layer
        if text is None:
            return (self._output("emotion", 1.0, layer),)
        is_text_only = text.fusion == "text_only"
        outputs = [self._output("emotion", 1.0, "none" if is_text_only else layer, ("text",))]
        if text.audio_weight:
            outputs.append(self._output("emotion_audio", text.audio_weight, layer))
        if text.text_weight and not is_text_only:
            outputs.append(self._output("emotion_text", text.text_weight, "none", ("text",)))
        return tuple(outputs)

    def _output(self, name: str, weight: float, layer: int | str, inputs: tuple[str, ...] = ()) -> OutputSpec:
        class_weights = self.config.class_weights
        return OutputSpec(
            name=name,
            labels=self.config.labels,
            resolution="utterance",
            objective="cross_entropy",
            weight=self.config.weight * weight,
            layer=layer,  # type: ignore[arg-type]
            inputs=inputs,
            options={"class_weights": list(class_weights) if isinstance(class_weights, tuple) else None},
        )

    @property
    def _alone(self) -> dict[str, str]:
        """Name of the output by what it reads alone: audio, text."""
        names = {spec.name for spec in self.outputs}
        return {what: f"emotion_{what}" for what in ALONE if f"emotion_{what}" in names}

    @property
    def primary_metric(self) -> Metric:
        """`metric` of the settings, by default unweighted accuracy."""
        return Metric(self.config.metric, higher_is_better=True)

    def label(self, utterance: Utterance) -> str | None:
        """The class of a row after `rename`, or None if it has no label or one that is left out."""
        label = self._written(utterance)
        return (
            None if label is None or label in self.config.leave_out else self.config.rename.get(label, label)
        )

    def _written(self, utterance: Utterance) -> str | None:
        """The label of a row in the corpus, as the settings spell it."""
        if utterance.emotion is None:
            return None
        label: str = compose(utterance.emotion)
        config, whole = self.config, whole_number(label)
        if whole.isdecimal() and not any(
            label in names for names in (config.rename, config.labels, config.leave_out)
        ):
            return whole
        return label

    def leaves_out(self, utterance: Utterance) -> bool:
        """Whether the label is one of `leave_out`."""
        return self._written(utterance) in self.config.leave_out

    def leave_out_notes(self, values: Collection[str]) -> list[str]:
        """Labels of `leave_out` that no row has."""
        written = {self._written(_labelled(value)) for value in values}
        idle = [label for label in self.config.leave_out if label not in written]
        return (
            [f"tasks.emotion.leave_out has {', '.join(idle)}, which no utterance is labelled"] if idle else []
        )

    def leave_out_advice(self, values: Collection[str]) -> str:
        """`leave_out` with all labels that the model would not have."""
        config = self.config
        others = {
            label
            for value in values
            if (label := self._written(_labelled(value))) is not None
            and label not in config.leave_out
            and config.rename.get(label, label) not in config.labels
        }
        listed = ", ".join([*config.leave_out, *sorted(others)])
        return f"leave rows out on purpose with tasks.emotion.leave_out=[{listed}]" if others else ""

    def label_notes(self, values: Collection[str]) -> list[str]:
        """Classes without an utterance, and names in `rename` that no utterance has."""
        written = {compose(value) for value in values}
        classes = {self.label(_labelled(value)) for value in written}
        absent = [label for label in self.config.labels if label not in classes]
        idle = [label for label in self.config.rename if label not in written]
        notes = []
        if absent:
            notes.append(
                f"no utterance at all is labelled {', '.join(absent)}, which tasks.emotion.labels contains"
            )
        if idle:
            notes.append(f"tasks.emotion.rename has {', '.join(idle)}, which no usable utterance is labelled")
        return notes

    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Target mass (labels,) of each output, one-hot."""
        label = self.label(utterance)
        target = None
        if label is not None:
            target = one_hot(label_index(label, self.config.labels, "emotion"), len(self.config.labels))
        return {spec.name: target for spec in self.outputs}

    def prepare(self, utterances: Iterable[Utterance]) -> EmotionTask:
        """Replaces "balanced" by numbers, those of scikit-learn's `compute_class_weight("balanced")`."""
        if self.config.text is not None:
            utterances = list(utterances)
            self._check_texts(utterances)
        if self.config.class_weights != "balanced":
            return self
        labels = self.config.labels
        counts = np.zeros(len(labels))
        for utterance in utterances:
            label = self.label(utterance)
            if label is not None:
                counts[label_index(label, labels, "emotion")] += 1
        if (counts == 0).any():
            missing = ", ".join(label for label, n in zip(labels, counts, strict=True) if n == 0)
            raise TaskError(
                f"the training split has no utterance labelled {missing}, so balanced class weights "
                "cannot be computed; take the label out of tasks.emotion.labels or set tasks.emotion.class_weights=none"
            )
        weights = counts.sum() / (len(labels) * counts)
        return EmotionTask(self.config.model_copy(update={"class_weights": tuple(float(w) for w in weights)}))

    def decode(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        prompt: str | None = None,
        decoder: Decoder | None = None,
    ) -> Prediction:
        """The most probable class with all probabilities; prompt and decoder are ignored."""
        probabilities = np.exp(outputs["emotion"].astype(np.float64))
        probabilities /= probabilities.sum()
        best = int(probabilities.argmax())
        # Six digits, not six decimals: the loss is the logarithm of a probability, which may be small.
        rounded = [float(f"{p:.6g}") for p in probabilities]
        fields: dict[str, Any] = {
            "label": self.config.labels[best],
            "confidence": rounded[best],
            "probabilities": dict(zip(self.config.labels, rounded, strict=True)),
        }
        if self._alone:
            fields["alone"] = {
                what: self.config.labels[int(outputs[name].argmax())]
                for what, name in self._alone.items()
                if name in outputs
            }
        return Prediction(self.name, fields)

    def columns(self, prediction: Prediction) -> tuple[Column, ...]:
        """The label and its probability."""
        return (Column(self.name, "label"), Column("probability", "confidence", "share"))

    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """`{"label": …}`."""
        label = self.label(utterance)
        return None if label is None else {"label": label}

    def count(self, pair: Pair) -> Counts:
        """The counts of one utterance.

        `confusion` is (labels, labels) with a single one (rows reference, columns prediction); `nats` is -log of the
        probability of the reference; `judged` is 1 if the prediction has such a probability.
        """
        labels = self.config.labels
        confusion = np.zeros((len(labels), len(labels)))
        confusion[
            label_index(compose(pair.reference["label"]), labels, "emotion"),
            label_index(compose(pair.prediction.fields["label"]), labels, "emotion"),
        ] = 1
        nats = self._nats(pair)
        return {
            **{f"confusion_{what}": self._confusion_alone(pair, what) for what in self._alone},
            "confusion": confusion,
            "nats": np.asarray(0.0 if nats is None else nats),
            "judged": np.asarray(0.0 if nats is None else 1.0),
        }

    def _confusion_alone(self, pair: Pair, what: str) -> NDArray[np.float64]:
        """As `confusion`, for the label of the audio or the text alone; zeros if the prediction lacks it."""
        labels = self.config.labels
        confusion = np.zeros((len(labels), len(labels)))
        label = (pair.prediction.fields.get("alone") or {}).get(what)
        if label is not None:
            reference = label_index(compose(pair.reference["label"]), labels, "emotion")
            confusion[reference, labels.index(compose(label))] = 1
        return confusion

    @staticmethod
    def _nats(pair: Pair) -> float | None:
        """Cross-entropy of one utterance; None where the probability is missing, null or nan."""
        reference = compose(pair.reference["label"])
        probabilities = pair.prediction.fields.get("probabilities") or {}
        probability = next((p for label, p in probabilities.items() if compose(label) == reference), None)
        if probability is None or not math.isfinite(probability):
            return None
        return -math.log(max(probability, LEAST_PROBABILITY))

    def rates(self, counts: Counts) -> dict[str, float]:
        """wa, ua, macro_f1 and micro_f1 as EmoBox names them, and `loss`, the mean cross-entropy in nats.

        Utterances have equal weight in the loss: no class weights, no smoothing of labels.
        """
        size = len(self.config.labels)
        judged = float(counts.get("judged", 0.0))
        loss = float(counts["nats"]) / judged if judged else math.nan
        rates = {**confusion_rates(counts.get("confusion", np.zeros((size, size)))), "loss": loss}
        for what in self._alone:
            alone = confusion_rates(counts.get(f"confusion_{what}", np.zeros((size, size))))
            rates |= {f"{name}_{what}": alone[name] for name in ("wa", "ua")}
        return rates

    @property
    def rate_descriptions(self) -> Mapping[str, RateDescription]:
        """Descriptions of the rates of a classification; with a text also those of each input alone."""
        alone = {
            f"{name}_{what}": RateDescription(
                f"{RATES[name].title}, by {ALONE[what]}", higher_is_better=True, needs_probabilities=True
            )
            for what in self._alone
            for name in ("wa", "ua")
        }
        return {**RATES, **alone}

    def report(self, pairs: Sequence[Pair]) -> Section:
        """Confusion matrix and a table per class."""
        size = len(self.config.labels)
        confusion = np.zeros((size, size))
        for pair in pairs:
            confusion += self.count(pair)["confusion"]
        rows = tuple(
            (label, int(row.support), row.precision, row.recall, row.f1)
            for label, row in zip(self.config.labels, class_table(confusion), strict=True)
        )
        tables = [Table("Per class", ("class", "utterances", "precision", "recall", "F1"), rows)]
        if self._alone:
            tables.append(self._table_by_input(pairs))
        return Section(
            title="Emotion",
            tables=tuple(tables),
            matrices=(
                Matrix(
                    "Confusion", self.config.labels, tuple(tuple(float(v) for v in row) for row in confusion)
                ),
            ),
        )

    def _table_by_input(self, pairs: Sequence[Pair]) -> Table:
        """Rates of the model and of each input alone. The text alone is judged on the rows with a text."""
        counts = [self.count(pair) for pair in pairs]
        rows = []
        for title, key in (
            ("model", "confusion"),
            *((ALONE[what], f"confusion_{what}") for what in self._alone),
        ):
            confusion = sum((count[key] for count in counts), np.zeros(()))
            rates = confusion_rates(confusion) if np.ndim(confusion) else {"wa": math.nan, "ua": math.nan}
            rows.append((title, int(np.sum(confusion)), rates["wa"], rates["ua"]))
        return Table("By input", ("input", "utterances", "wa", "ua"), tuple(rows))

    def score_warnings(self, pairs: Sequence[Pair]) -> list[str]:
        """A warning with both figures if the text alone predicts the label."""
        judged = [
            pair for pair in pairs if (pair.prediction.fields.get("alone") or {}).get("text") is not None
        ]
        if "text" not in self._alone or not judged:
            return []
        num_labels = len({compose(pair.reference["label"]) for pair in judged})
        if num_labels < 2:
            return []
        rates, guess = self.score(judged), 1 / num_labels
        model, text = rates["ua"], rates["ua_text"]
        if not (text - guess >= NEAR * (model - guess) and text - guess >= (1 - guess) / 4):
            return []
        return [
            f"The text alone predicts the label: it reaches a mean recall of {100 * text:.1f} % on {len(judged)} "
            f"utterances, the model with text and audio {100 * model:.1f} %. The figures say little about voices."
        ]

    def _check_texts(self, utterances: Sequence[Utterance]) -> None:
        """Warns if the texts of the training rows give the labels away.

        Raises:
            TaskError: no row has a text.
        """
        texts = [row for row in utterances if row.text is not None and without_invisible(row.text).strip()]
        if not texts:
            raise TaskError(
                "no row of the training split has a text, which tasks.emotion.text reads; give the rows texts, or set "
                "tasks.emotion.text=null"
            )
        labelled = ((row.text or "", row.speaker, self.label(row)) for row in texts)
        found = labels_by_text(
            (text, speaker, label) for text, speaker, label in labelled if label is not None
        )
        if found.gives_labels_away:
            logger.warning(
                "text alone predicts the label: %.1f %% of the %d training rows whose text other speakers say too have "
                "the label that it has there most often; the model may learn sentences instead of voices",
                100 * found.share,
                found.num_rows,
            )


TASK = EmotionTask
