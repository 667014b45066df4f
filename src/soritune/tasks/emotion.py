"""Emotion or speaking style: one label per utterance, from any label set."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.identities import without_invisible
from soritune.metrics.classification import class_table, confusion_rates
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.emotion_labels import EmotionLabels
from soritune.tasks.emotion_settings import EmotionConfig
from soritune.tasks.label_names import compose
from soritune.tasks.labels import label_index, one_hot, rate
from soritune.tasks.rater_votes import (
    agreement_table,
    agreement_warning,
    stacked_votes,
    votes_in,
)
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
from soritune.tasks.text_labels import labels_by_text

logger = logging.getLogger(__name__)

RATES = {
    "wa": RateDescription(
        "weighted accuracy: share of clips that are right", higher_is_better=True, known_as="accuracy"
    ),
    "ua": RateDescription(
        "unweighted accuracy: mean recall of the classes", higher_is_better=True, known_as="mean recall"
    ),
    "macro_f1": RateDescription("mean F1 of the classes", higher_is_better=True, known_as="mean F1"),
    "micro_f1": RateDescription("F1 over all clips", higher_is_better=True),
    "loss": RateDescription(
        "mean cross-entropy in nats, every clip alike, labels not smoothed",
        higher_is_better=False,
        is_share=False,
        needs_probabilities=True,
    ),
}
SOFT_LOSS = RateDescription(
    "mean cross-entropy in nats to the shares of the ratings, tied ones too",
    higher_is_better=False,
    is_share=False,
    needs_probabilities=True,
)
ALONE = {"audio": "the audio alone", "text": "the text alone"}
"""What an output beside the task's own may read."""
WITHOUT_TIES = (
    "Rows with tied ratings have no label and are not among these, so the raters agree less than this."
)
TIED = "{} of {} clips have ratings without a majority; soft_loss judges them, and no other rate."
NEAR = 0.8
"""The text alone predicts the label if its mean recall, above that of a guess, reaches this share of the model's."""
LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Smaller probabilities count as this one, so that a single utterance cannot make the loss infinite; 87 nats."""


class EmotionTask(EmotionLabels):
    """Cross-entropy over `labels` on the whole utterance."""

    name: ClassVar[str] = "emotion"
    Config: ClassVar[type[EmotionConfig]] = EmotionConfig
    single_label: ClassVar[bool] = True
    hub_tag: ClassVar[str | None] = "audio-classification"
    limits: ClassVar[tuple[str, ...]] = (
        "Inferring emotions of people at work or in education from their voice is prohibited in the European "
        "Union (AI Act, Article 5(1)(f)) except for medical and safety reasons; elsewhere people must be informed.",
        "Labels are of acted or directed speech: they are speaking styles, not states of mind.",
    )

    def __init__(self, config: EmotionConfig) -> None:
        self.config = config
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

    def _output(
        self, name: str, weight: float, layer: int | str | tuple[int, ...], inputs: tuple[str, ...] = ()
    ) -> OutputSpec:
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

    def prepare(self, utterances: Iterable[Utterance]) -> EmotionTask:
        """Replaces "balanced" by numbers: all mass / (classes × mass of the class), where each row has the mass of its
        target. For one label per row these are those of scikit-learn's `compute_class_weight("balanced")`."""
        utterances = list(utterances)
        if self.config.text is not None:
            self._check_texts(utterances)
        if self.config.rated_target is not None:
            self.check_ratings(utterances)
        if self.config.class_weights != "balanced":
            return self
        labels = self.config.labels
        counts = np.zeros(len(labels))
        for utterance in utterances:
            target = self.target(utterance)
            if target is not None:
                counts += target
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

    def count(self, pair: Pair) -> Counts:
        """The counts of one utterance.

        `confusion` is (labels, labels) with a single one (rows reference, columns prediction), or without any if the
        reference has no label; `nats` is -log of the probability of the reference; `judged` is 1 if the prediction has
        such a probability. `soft_nats` and `soft_judged` are the same for the shares of the ratings.
        """
        labels = self.config.labels
        confusion = np.zeros((len(labels), len(labels)))
        predicted = label_index(compose(pair.prediction.fields["label"]), labels, "emotion")
        reference = self._reference_index(pair)
        if reference is not None:
            confusion[reference, predicted] = 1
        one = None if reference is None else one_hot(reference, len(labels)).astype(np.float64)
        counts: Counts = {
            **{f"confusion_{what}": self._confusion_alone(pair, what) for what in self._alone},
            "confusion": confusion,
            **self._loss_counts(pair, one, ""),
        }
        if self.config.rated_target is not None:
            votes = votes_in(pair.reference, labels)
            counts |= self._loss_counts(pair, one if votes is None else votes / votes.sum(), "soft_")
        return counts

    def _reference_index(self, pair: Pair) -> int | None:
        """The class of the reference; None for ratings without a majority."""
        label = pair.reference["label"]
        if label is None and pair.reference.get("ratings"):
            return None
        return label_index(compose(label), self.config.labels, "emotion")

    def _loss_counts(self, pair: Pair, mass: NDArray[np.float64] | None, prefix: str) -> Counts:
        """Cross-entropy of one utterance to the mass of each class, and whether it has one."""
        nats = None if mass is None else self._nats(pair, mass)
        return {
            f"{prefix}nats": np.asarray(0.0 if nats is None else nats),
            f"{prefix}judged": np.asarray(0.0 if nats is None else 1.0),
        }

    def _confusion_alone(self, pair: Pair, what: str) -> NDArray[np.float64]:
        """As `confusion`, for the label of the audio or the text alone; zeros if the prediction lacks it."""
        labels = self.config.labels
        confusion = np.zeros((len(labels), len(labels)))
        label = (pair.prediction.fields.get("alone") or {}).get(what)
        reference = self._reference_index(pair)
        if label is not None and reference is not None:
            confusion[reference, labels.index(compose(label))] = 1
        return confusion

    def _nats(self, pair: Pair, mass: NDArray[np.float64]) -> float | None:
        """Cross-entropy of one utterance; None where a probability is missing, null or nan."""
        probabilities = {
            compose(label): value
            for label, value in (pair.prediction.fields.get("probabilities") or {}).items()
        }
        total = 0.0
        for label, share in zip(self.config.labels, mass, strict=True):
            if not share:
                continue
            probability = probabilities.get(label)
            if probability is None or not math.isfinite(probability):
                return None
            total -= float(share) * math.log(max(probability, LEAST_PROBABILITY))
        return total

    def rates(self, counts: Counts) -> dict[str, float]:
        """wa, ua, macro_f1 and micro_f1 as EmoBox names them, and `loss`, the mean cross-entropy in nats.

        Utterances have equal weight in the loss: no class weights, no smoothing of labels.
        """
        size = len(self.config.labels)
        rates = {
            **confusion_rates(counts.get("confusion", np.zeros((size, size)))),
            "loss": rate(counts.get("nats", 0.0), counts.get("judged", 0.0)),
        }
        if self.config.rated_target is not None:
            rates["soft_loss"] = rate(counts.get("soft_nats", 0.0), counts.get("soft_judged", 0.0))
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
        soft = {} if self.config.rated_target is None else {"soft_loss": SOFT_LOSS}
        return {**RATES, **soft, **alone}

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
        columns = ("class", "utterances", "precision", "recall", "F1")
        tables = [Table("Per class", columns, rows, compared=("recall", "F1"))]
        if self._alone:
            tables.append(self._table_by_input(pairs))
        votes = stacked_votes(pairs, self.config.labels)
        if self.config.rated_target is not None and len(votes):
            hides_ties = self.config.rated_target == "majority" and self.config.ties != "emotion"
            tables.append(agreement_table(votes, WITHOUT_TIES if hides_ties else ""))
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
        """Warnings if raters agree little or have no majority, and if the text alone predicts the label."""
        return [*self._rating_warnings(pairs), *self._text_warnings(pairs)]

    def _rating_warnings(self, pairs: Sequence[Pair]) -> list[str]:
        if self.config.rated_target is None:
            return []
        tied = sum(pair.reference["label"] is None for pair in pairs)
        warning = agreement_warning(stacked_votes(pairs, self.config.labels))
        return [
            *([] if warning is None else [warning]),
            *([TIED.format(tied, len(pairs))] if tied else []),
        ]

    def _text_warnings(self, pairs: Sequence[Pair]) -> list[str]:
        """A warning with both figures if the text alone predicts the label."""
        judged = [
            pair
            for pair in pairs
            if pair.reference["label"] is not None
            and (pair.prediction.fields.get("alone") or {}).get("text") is not None
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
