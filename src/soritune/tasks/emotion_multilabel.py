"""Emotions of an utterance, of which any number may hold at once.

It is a task of its own beside `emotion`: a set of labels has no single confidence, and calibration, the confusion
matrix, the distribution of labels and a minimum confidence are of single labels (`Task.single_label`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.metrics.multi_label import (
    LabelCounts,
    average_precision,
    label_counts,
    label_table,
    multi_label_rates,
)
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.emotion import EmotionTask
from soritune.tasks.label_names import LabelNames, compose
from soritune.tasks.labels import label_index, rate
from soritune.tasks.ratings import field_value, labels_in, ratings_of
from soritune.tasks.results import (
    Column,
    Counts,
    Guess,
    Metric,
    Pair,
    Prediction,
    RateDescription,
    Section,
    Table,
)
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task

OUTPUT = "emotion_multilabel"
LEAST_PROBABILITY = 1e-12
"""Smaller probabilities, that a label holds or does not, count as this one: 27.6 nats."""
RATES = {
    "macro_f1": RateDescription("mean F1 of the labels", higher_is_better=True, known_as="mean F1"),
    "micro_f1": RateDescription("F1 over all labels of all clips", higher_is_better=True),
    "subset_accuracy": RateDescription("share of clips with exactly the right labels", higher_is_better=True),
    "loss": RateDescription(
        "mean binary cross-entropy of a label in nats, not smoothed",
        higher_is_better=False,
        is_share=False,
        needs_probabilities=True,
    ),
}


class EmotionMultilabelConfig(LabelNames):
    """Settings of the task `emotion-multilabel`."""

    column: str = "emotion"
    """Column with the labels of a row: a text with `|` between labels, or a list. An empty list: no label holds."""
    ratings: tuple[str, ...] = ()
    """Column with the ratings of several raters, or one column per rater, each of whom may give several labels. Rows
    without ratings take `column`."""
    target: Literal["soft", "share"] = "share"
    """The target of rated rows: the share of the raters who gave a label, or whether that share reaches `share`."""
    share: float = Field(0.5, gt=0, le=1)
    """Share of the raters from which on a label holds, in references too."""
    threshold: float = Field(0.5, gt=0, lt=1)
    """Labels with at least this probability are predicted."""
    metric: Literal["macro_f1", "micro_f1", "subset_accuracy"] = "macro_f1"
    """The rate by which models are chosen."""
    prevalence: tuple[float, ...] | None = None
    """Mean target of each label, from the training split; set by a training, for a baseline."""

    def idle_settings(self) -> dict[str, str]:
        """See `TaskConfig.idle_settings`."""
        why = "without tasks.emotion-multilabel.ratings"
        return {} if self.ratings else dict.fromkeys(("target", "share"), why)

    @field_validator("ratings", mode="before")
    @classmethod
    def _one_or_several(cls, columns: Any) -> Any:
        return (columns,) if isinstance(columns, str) else columns


class EmotionMultilabelTask(Task):
    """Binary cross-entropy of each of `labels` on the whole utterance."""

    name: ClassVar[str] = "emotion-multilabel"
    Config: ClassVar[type[EmotionMultilabelConfig]] = EmotionMultilabelConfig
    required_fields: ClassVar[tuple[str, ...]] = ()
    label_field: ClassVar[str | None] = "emotion"
    hub_tag: ClassVar[str | None] = EmotionTask.hub_tag
    limits: ClassVar[tuple[str, ...]] = EmotionTask.limits

    def __init__(self, config: EmotionMultilabelConfig) -> None:
        self.config: EmotionMultilabelConfig = config
        if config.prevalence is not None and len(config.prevalence) != len(config.labels):
            raise TaskError(
                f"emotion-multilabel has {len(config.labels)} labels but {len(config.prevalence)} values of prevalence"
            )

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """One output, a probability for each label."""
        return (
            OutputSpec(
                name=OUTPUT,
                labels=self.config.labels,
                resolution="utterance",
                objective="multi_label",
                weight=self.config.weight,
                layer=self.config.layer,  # type: ignore[arg-type]
            ),
        )

    @property
    def primary_metric(self) -> Metric:
        """`metric` of the settings, by default the mean F1."""
        return Metric(self.config.metric, higher_is_better=True)

    # ── rows ──

    def shares(self, utterance: Utterance) -> NDArray[np.float64] | None:
        """Share of the raters (labels,) who gave each label; 0 or 1 without raters. None if the row has no labels, or
        only labels that are left out.

        Raises:
            TaskError: a label is not in the label set, or a value holds no labels.
        """
        given = self._given(utterance)
        shares, num_raters = np.zeros(len(self.config.labels)), 0
        for written, count in given.items():
            classes = [self.config.class_of(self.config.spelling(label)) for label in written]
            if classes and not any(classes):
                continue
            num_raters += count
            for label in dict.fromkeys(classes):
                if label is not None:
                    shares[label_index(label, self.config.labels, "emotion")] += count
        return shares / num_raters if num_raters else None

    def _given(self, utterance: Utterance) -> Mapping[tuple[str, ...], int]:
        """The labels of each rater → number of raters; one for `column`."""
        ratings = ratings_of(utterance, self.config.ratings, self.config.names)
        if ratings:
            return ratings
        value = field_value(utterance, self.config.column)
        labels = labels_in(value, self.config.column, self.config.names)
        return {} if labels is None else {labels: 1}

    def labels_of(self, shares: NDArray[np.float64]) -> list[str]:
        """The labels that hold."""
        # A share such as 2/3 must reach itself, whatever its rounding.
        held = shares >= self.config.share - 1e-9
        return [label for label, holds in zip(self.config.labels, held, strict=True) if holds]

    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Probability (labels,) that each label holds."""
        return {OUTPUT: self._target(utterance)}

    def _target(self, utterance: Utterance) -> NDArray[np.float32] | None:
        shares = self.shares(utterance)
        if shares is None or (self.config.target == "soft" and self.config.ratings):
            return None if shares is None else shares.astype(np.float32)
        held = self.labels_of(shares)
        return np.array([label in held for label in self.config.labels], dtype=np.float32)

    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """`{"labels": […]}`, in the order of the settings; the list is empty if no label holds."""
        shares = self.shares(utterance)
        return None if shares is None else {"labels": self.labels_of(shares)}

    def missing_label_reason(self, utterance: Utterance) -> str | None:
        """Why a row has no target."""
        if self.shares(utterance) is not None:
            return None
        columns = " or ".join((*self.config.ratings, self.config.column))
        if self._given(utterance):
            return f"has only labels that are left out, in {columns}"
        return f"has no labels in {columns}"

    def leaves_out(self, utterance: Utterance) -> bool:
        """Whether the row has labels, and each of them is left out."""
        return self.shares(utterance) is None and bool(self._given(utterance))

    @property
    def derives_labels(self) -> bool:
        """True: a row may have several labels."""
        return True

    def written_labels(self, utterance: Utterance) -> tuple[str, ...]:
        """The labels of all raters, or those of `column`."""
        try:
            return tuple(label for written in self._given(utterance) for label in written)
        except TaskError:  # the row is reported when it is checked
            return ()

    def table_labels(self, utterance: Utterance) -> tuple[str, ...]:
        """The labels that hold."""
        try:
            shares = self.shares(utterance)
        except TaskError:
            return ()
        return () if shares is None else tuple(self.labels_of(shares))

    def leave_out_notes(self, values: Collection[str]) -> list[str]:
        """Labels of `leave_out` that no row has."""
        return self.config.leave_out_notes(values, self.name)

    def leave_out_advice(self, values: Collection[str]) -> str:
        """`leave_out` with all labels that the model would not have."""
        return self.config.leave_out_advice(values, self.name)

    def label_notes(self, values: Collection[str]) -> list[str]:
        """Labels without an utterance, and names in `rename` that no utterance has."""
        return self.config.label_notes(values, self.name)

    def prepare(self, utterances: Iterable[Utterance]) -> EmotionMultilabelTask:
        """Stores the mean target of each label."""
        targets = [target for row in utterances if (target := self._target(row)) is not None]
        if not targets:
            return self
        means = np.stack(targets).astype(np.float64).mean(axis=0).tolist()
        return EmotionMultilabelTask(
            self.config.model_copy(update={"prevalence": tuple(float(f"{mean:.6g}") for mean in means)})
        )

    # ── predictions ──

    def decode(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        prompt: str | None = None,
        decoder: Decoder | None = None,
    ) -> Prediction:
        """The labels with at least `threshold`, and all probabilities; prompt and decoder are ignored."""
        return self._prediction(np.exp(outputs[OUTPUT].astype(np.float64)))

    def _prediction(self, probabilities: NDArray[np.float64]) -> Prediction:
        # Twelve digits: the loss of a label that does not hold is the logarithm of 1 - p.
        rounded = [float(f"{p:.12g}") for p in probabilities]
        named = dict(zip(self.config.labels, rounded, strict=True))
        labels = [label for label, p in named.items() if p >= self.config.threshold]
        return Prediction(self.name, {"labels": labels, "probabilities": named})

    def columns(self, prediction: Prediction) -> tuple[Column, ...]:
        """The labels."""
        return (Column("emotions", "labels", empty="(none)"),)

    def guesses(self) -> tuple[Guess, ...]:
        """Every label, and the mean of each label in the training split as its probability."""
        every = Prediction(self.name, {"labels": list(self.config.labels)})
        guesses = [Guess("all", "every label in every utterance", lambda reference: every)]
        if self.config.prevalence is not None:
            mean = self._prediction(np.array(self.config.prevalence))
            guesses.append(
                Guess("prevalence", "the share of each label in the training split", lambda reference: mean)
            )
        return tuple(guesses)

    # ── counts and rates ──

    def count(self, pair: Pair) -> Counts:
        """`hits`, `support` and `predicted` (labels,); `exact` is 1 if all labels are right; `nats` is the mean binary
        cross-entropy of the labels, `judged` 1 if the prediction has their probabilities."""
        truth, guess = self._held(pair.reference["labels"]), self._held(pair.prediction.fields["labels"])
        nats = self._nats(pair, truth)
        return {
            **label_counts(truth[None], guess[None])._asdict(),
            "exact": np.asarray(float((truth == guess).all())),
            "rows": np.asarray(1.0),
            "nats": np.asarray(0.0 if nats is None else nats),
            "judged": np.asarray(0.0 if nats is None else 1.0),
        }

    def _held(self, labels: Iterable[str]) -> NDArray[np.bool_]:
        held = np.zeros(len(self.config.labels), dtype=bool)
        for label in labels:
            held[label_index(compose(label), self.config.labels, "emotion")] = True
        return held

    def _probabilities(self, pair: Pair) -> NDArray[np.float64] | None:
        """(labels,); None if one is missing, null or nan."""
        named = pair.prediction.fields.get("probabilities") or {}
        values = {compose(label): value for label, value in named.items()}
        listed = [values.get(label) for label in self.config.labels]
        known = [value for value in listed if value is not None and math.isfinite(value)]
        return np.array(known, dtype=np.float64) if len(known) == len(listed) else None

    def _nats(self, pair: Pair, truth: NDArray[np.bool_]) -> float | None:
        probabilities = self._probabilities(pair)
        if probabilities is None:
            return None
        of_truth = np.where(truth, probabilities, 1 - probabilities)
        return float(-np.log(np.maximum(of_truth, LEAST_PROBABILITY)).mean())

    def rates(self, counts: Counts) -> dict[str, float]:
        """macro_f1, micro_f1, subset_accuracy and loss."""
        return {
            **multi_label_rates(self._summed(counts)),
            "subset_accuracy": rate(counts.get("exact", 0.0), counts.get("rows", 0.0)),
            "loss": rate(counts.get("nats", 0.0), counts.get("judged", 0.0)),
        }

    def _summed(self, counts: Counts) -> LabelCounts:
        nothing = np.zeros(len(self.config.labels))
        return LabelCounts(*(counts.get(name, nothing) for name in LabelCounts._fields))

    @property
    def rate_descriptions(self) -> Mapping[str, RateDescription]:
        """Descriptions of the four rates."""
        return RATES

    def report(self, pairs: Sequence[Pair]) -> Section:
        """A table per label, with its average precision."""
        counts: dict[str, Any] = {}
        for pair in pairs:
            for key, value in self.count(pair).items():
                counts[key] = counts.get(key, 0.0) + value
        precisions = self._average_precisions(pairs)
        rows = tuple(
            (label, int(row.support), row.precision, row.recall, row.f1, precision)
            for label, row, precision in zip(
                self.config.labels, label_table(self._summed(counts)), precisions, strict=True
            )
        )
        known = [precision for precision in precisions if math.isfinite(precision)]
        mean = f"Mean average precision: {100 * sum(known) / len(known):.1f} %. " if known else ""
        columns = ("label", "utterances", "precision", "recall", "F1", "average precision")
        note = f"{mean}Labels with a probability of {self.config.threshold:g} or more are predicted."
        return Section(title="Emotions", tables=(Table("Per label", columns, rows, note),))

    def _average_precisions(self, pairs: Sequence[Pair]) -> list[float]:
        judged = [
            (self._held(pair.reference["labels"]), probabilities)
            for pair in pairs
            if (probabilities := self._probabilities(pair)) is not None
        ]
        if not judged:
            return [math.nan] * len(self.config.labels)
        truth, scores = (np.stack(parts) for parts in zip(*judged, strict=True))
        return [average_precision(truth[:, i], scores[:, i]) for i in range(len(self.config.labels))]


TASK = EmotionMultilabelTask
