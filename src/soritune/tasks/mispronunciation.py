"""Mispronunciation: the phones a learner really said, and a label (correct, or which error) per expected phone.

Two CTC outputs on one encoder: `phoneme` over what was said, `error` over the labels. From the first, errors follow
by comparison with the canonical phones (`metrics/mispronunciation.py`, protocol `kaldi`); the second says them itself.

Published systems print the accuracy of labels by position, which "always correct" wins; it is kept as `error_acc`
because it names their checkpoint, but models are chosen by `error_f1` (`metrics/error_labels.py` says how both count).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.korean import ARPABET, KOREAN, WORD_BOUNDARY
from soritune.metrics.edit_distance import edit_counts
from soritune.metrics.error_labels import CORRECT, NUM_COUNTS, error_label_counts, error_label_rates
from soritune.metrics.mispronunciation import (
    SILENCE,
    MispronunciationCounts,
    Protocol,
    count_mispronunciations,
    mispronunciation_rates,
)
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.parts.annotated_phones import (
    LETTERS,
    Scheme,
    labelled_positions,
    pair_up,
    read_labels,
    refuse_other_length,
)
from soritune.tasks.parts.labels import BLANK, label_index, rate, read_symbols, symbol_ids
from soritune.tasks.parts.language import in_language, other_language
from soritune.tasks.parts.mispronunciation_tables import RATES, error_tables, protocol_table, speaker_tables
from soritune.tasks.parts.phone_tables import WORST_CASES, phone_tables, worst_alignments
from soritune.tasks.results import (
    Alignment,
    Column,
    Counts,
    Guess,
    Metric,
    Pair,
    Prediction,
    RateDescription,
    Section,
)
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task, TaskConfig

UNINTELLIGIBLE = "err"
"""A sound that annotators could not name; a phone of its own in second-language corpora."""
L2_ARPABET: tuple[str, ...] = (*(phone.lower() for phone in ARPABET.symbols), UNINTELLIGIBLE)
INVENTORIES: dict[str, tuple[str, ...]] = {"arpabet": L2_ARPABET, "korean": KOREAN.symbols}
PHONE_COUNTS, PROTOCOL_COUNTS = 4, 7
OF_ERRORS = ("precision", "recall", "f1")
"""Rates in which only speakers who make errors have a say."""


class MispronunciationConfig(TaskConfig):
    """Settings of the task `mispronunciation`."""

    task: Literal["phoneme", "error", "both"] = "both"
    """Which outputs the model has."""
    labels: Scheme
    """What the letters of `error_labels` mean: C and I (or E) for any error, or C, S, D, and I for an insertion. No
    default: corpora differ."""
    inventory: Literal["korean", "arpabet"] | tuple[str, ...] = "arpabet"
    """The phones: "arpabet" is 39 in lower case without stress and `err`; "korean"; or the symbols themselves."""
    fold: tuple[Literal["case", "stress"], ...] = ()
    """Of the arpabet inventory: read AH as ah ("case"), ah0 as ah ("stress")."""
    language: str | None = None
    """Rows of another language (manifest field `language`) are none of this task's, with or without a region (`en`,
    `en-US`); null takes all."""
    gap: str = SILENCE
    """Symbol of a gap in the aligned phones and of real silence."""
    phoneme_output: str = Field("phoneme", min_length=1)
    """Name of the phone output: another one beside a task whose output is called `phoneme` too."""
    phoneme_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of the phone output's loss in the total."""
    error_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of the error output's loss in the total."""
    phoneme_layer: int | str = "last"
    """What the phone head reads: "last", "weighted" or the number of a transformer layer."""
    error_layer: int | str = "last"
    """What the error head reads."""

    @model_validator(mode="after")
    def _sound(self) -> MispronunciationConfig:
        phones = self.phones
        if len(set(phones)) != len(phones) or not phones:
            raise ValueError(f"inventory must be distinct phones, got {list(phones)}")
        if self.fold and self.inventory != "arpabet":
            raise ValueError(
                "fold is for inventory=arpabet only; other inventories tell case and digits apart"
            )
        taken = next((symbol for symbol in (self.gap, BLANK, SILENCE) if symbol in phones), None)
        if taken is not None:
            raise ValueError(f"'{taken}' is a gap, a silence or the blank and cannot be a phone too")
        return self

    @property
    def phones(self) -> tuple[str, ...]:
        """The symbols of the inventory."""
        return INVENTORIES[self.inventory] if isinstance(self.inventory, str) else self.inventory


class MispronunciationTask(Task):
    """CTC over perceived phones, CTC over error labels, or both."""

    name: ClassVar[str] = "mispronunciation"
    Config: ClassVar[type[MispronunciationConfig]] = MispronunciationConfig
    required_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: MispronunciationConfig) -> None:
        self.config: MispronunciationConfig = config
        self.has_phones = config.task in ("phoneme", "both")
        self.has_labels = config.task in ("error", "both")
        self.phones = config.phones
        self.letters = LETTERS[config.labels]
        self._phone_index = {s: i for i, s in enumerate((BLANK, *self.phones, config.gap))}
        self._label_index = {s: i for i, s in enumerate((BLANK, *self.letters))}

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """`phoneme`, `error`, or both."""
        config = self.config
        parts = (
            (
                self.has_phones,
                config.phoneme_output,
                self._phone_index,
                config.phoneme_weight,
                config.phoneme_layer,
            ),
            (self.has_labels, "error", self._label_index, config.error_weight, config.error_layer),
        )
        return tuple(
            OutputSpec(
                name=name,
                labels=tuple(index),
                resolution="frame",
                objective="ctc",
                weight=weight,
                layer=layer,  # type: ignore[arg-type]
                options={"blank": index[BLANK]},
            )
            for wanted, name, index, weight, layer in parts
            if wanted
        )

    @property
    def primary_metric(self) -> Metric:
        """F1 of the errors by aligned labels, or the phone error rate where no labels are learnt."""
        return Metric("error_f1", True) if self.has_labels else Metric("per", False)

    def widest(self) -> MispronunciationTask:
        """With both outputs."""
        return MispronunciationTask(self.config.model_copy(update={"task": "both"}))

    @property
    def rate_descriptions(self) -> Mapping[str, RateDescription]:
        """Of the rates of both outputs, whichever are trained."""
        return RATES

    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Per trained output label ids (symbols,): phones with the silences of `phones`, labels as they stand."""
        row = self._row(utterance)
        targets: dict[str, NDArray[Any] | None] = {}
        if self.has_phones:
            said = row["target"]
            targets[self.config.phoneme_output] = (
                None if said is None else symbol_ids(said, self._phone_index, "phone")
            )
        if self.has_labels:
            labels = row["labels"]
            targets["error"] = None if labels is None else symbol_ids(labels, self._label_index, "label")
        return targets

    def decode(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        prompt: str | None = None,
        decoder: Decoder | None = None,
    ) -> Prediction:
        """Each output as `decoder` reads it; silence is not a phone."""
        fields: dict[str, Any] = {}
        if self.has_phones:
            dropped = (BLANK, self.config.gap)
            fields["phones"], fields["confidence"] = read_symbols(
                outputs[self.config.phoneme_output],
                tuple(self._phone_index),
                dropped=dropped,
                decoder=decoder,
            )
        if self.has_labels:
            fields["labels"], fields["labels_confidence"] = read_symbols(
                outputs["error"], tuple(self._label_index), dropped=(BLANK,), decoder=decoder
            )
        return Prediction(self.name, fields)

    def columns(self, prediction: Prediction) -> tuple[Column, ...]:
        """The phones and the labels, as far as the model has them."""
        return tuple(Column(field, field) for field in ("phones", "labels") if field in prediction.fields)

    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """`{"phones", "canonical", "perceived", "labels"}`; what the row has not is None.

        `phones` are those a person heard, without gaps. canonical and perceived are equally long, and as long as the
        labels: where those leave real silences out, so do they.
        """
        row = self._row(utterance)
        known = (self.has_phones and row["phones"] is not None) or row["labels"] is not None
        if not known:
            return None
        keys = ("phones", "canonical", "perceived", "labels")
        found = {key: None if row[key] is None else list(row[key]) for key in keys}
        return {**found, **({"text": utterance.text} if utterance.text else {})}

    def guesses(self) -> tuple[Guess, ...]:
        """One, `always-correct`: nobody makes a mistake."""
        sentence = "every phone is said as it should be, every label is C"
        return (Guess("always-correct", sentence, self._correct),)

    def count(self, pair: Pair) -> Counts:
        """Edits over phones, mispronunciations by the protocol `kaldi`, and what became of the labels."""
        reference, fields = pair.reference, pair.prediction.fields
        counts: Counts = {}
        if self.has_phones:
            counts["phone"] = np.zeros(PHONE_COUNTS)
            counts["mdd"] = np.zeros(PROTOCOL_COUNTS)
            if reference["phones"] is not None:
                counts["phone"] += edit_counts(reference["phones"], fields["phones"])
            found = self.mispronunciations(pair, "kaldi")
            if found is not None:
                counts["mdd"] += (
                    found.true_accepts,
                    found.false_rejects,
                    found.false_accepts,
                    found.correct_diagnoses,
                    found.diagnosis_errors,
                    found.extra_insertions,
                    len(reference["phones"]),
                )
        if self.has_labels:
            counts["label"] = np.zeros(NUM_COUNTS)
            if reference["labels"] is not None:
                counts["label"] += error_label_counts(reference["labels"], fields["labels"])
        return counts

    def rates(self, counts: Counts) -> dict[str, float]:
        """per and mdd_… of the phone output, error_… of the labels; none of an output that is not trained."""
        rates: dict[str, float] = {}
        if self.has_phones:
            substitutions, deletions, insertions, total = counts.get("phone", np.zeros(PHONE_COUNTS))
            rates["per"] = rate(substitutions + deletions + insertions, total)
            rates["per_substitutions"] = rate(substitutions, total)
            rates["per_deletions"] = rate(deletions, total)
            rates["per_insertions"] = rate(insertions, total)
            *outcomes, extra, perceived = counts.get("mdd", np.zeros(PROTOCOL_COUNTS))
            found = mispronunciation_rates(MispronunciationCounts(*(int(n) for n in outcomes)))
            for name in (*OF_ERRORS, "false_rejection_rate", "diagnosis_error_rate", "detection_accuracy"):
                rates[f"mdd_{name}"] = found[name]
            rates["mdd_extra_insertions"] = rate(extra, perceived)
        if self.has_labels:
            labels = error_label_rates(counts.get("label", np.zeros(NUM_COUNTS)))
            rates |= {f"error_{name}": value for name, value in labels.items()}
        return rates

    def contributes(self, counts: Counts) -> dict[str, bool]:
        """In precision, recall and F1 only speakers have a say who made at least one error themselves."""
        matters = super().contributes(counts)
        errors = {"mdd": 0.0, "error": 0.0}
        if self.has_phones:
            _, _, missed, right, wrong, *_ = counts.get("mdd", np.zeros(PROTOCOL_COUNTS))
            errors["mdd"] = missed + right + wrong
        if self.has_labels:
            _, _, _, found, _, overlooked, *_ = counts.get("label", np.zeros(NUM_COUNTS))
            errors["error"] = found + overlooked
        for part in errors:
            matters |= {f"{part}_{n}": bool(errors[part] > 0) for n in OF_ERRORS if f"{part}_{n}" in matters}
        return matters

    def report(self, pairs: Sequence[Pair]) -> Section:
        """Who makes errors, every label and phone, both protocols, and the worst utterances aligned."""
        tables = list(speaker_tables(pairs))
        alignments: list[Alignment] = []
        if self.has_labels:
            labelled = [pair for pair in pairs if pair.reference["labels"] is not None]
            tables += error_tables(labelled, self.letters)
            if not self.has_phones:
                rows = ((p.id, p.reference["labels"], p.prediction.fields["labels"]) for p in labelled)
                alignments += worst_alignments(rows, WORST_CASES)
        if self.has_phones:
            counts = {
                name: [n for n in (self.mispronunciations(pair, name) for pair in pairs) if n is not None]
                for name in ("kaldi", "mpl")
            }
            tables.append(protocol_table(counts))
            known = [pair for pair in pairs if pair.reference["phones"] is not None]
            phones, alignments_of_phones = phone_tables(
                (p.id, p.reference["phones"], p.prediction.fields["phones"]) for p in known
            )
            tables += phones
            alignments += alignments_of_phones
        return Section(title="Mispronunciation", tables=tuple(tables), alignments=tuple(alignments))

    def mispronunciations(self, pair: Pair, protocol: Protocol) -> MispronunciationCounts | None:
        """Counts of one utterance from the phones recognised, or None where canonical or perceived is unknown."""
        reference = pair.reference
        if not self.has_phones or reference["canonical"] is None or reference["perceived"] is None:
            return None
        gap = self.config.gap
        canonical, perceived = (
            [SILENCE if symbol == gap else symbol for symbol in reference[side]]
            for side in ("canonical", "perceived")
        )
        return count_mispronunciations(
            canonical, perceived, pair.prediction.fields["phones"], protocol=protocol
        )

    def _correct(self, reference: Mapping[str, Any]) -> Prediction:
        fields: dict[str, Any] = {}
        if self.has_phones:
            expected = reference["canonical"] or []
            fields |= {"phones": [s for s in expected if s != self.config.gap], "confidence": 1.0}
        if self.has_labels:
            fields |= {"labels": [CORRECT] * len(reference["labels"] or []), "labels_confidence": 1.0}
        return Prediction(self.name, fields)

    def missing_label_reason(self, utterance: Utterance) -> str | None:
        """Names a language that the task does not take."""
        return other_language(utterance.language, self.config.language)

    def _row(self, utterance: Utterance) -> dict[str, Any]:
        """The annotation of a row, checked: target, phones, canonical, perceived, labels; None each that is not there.

        Raises:
            TaskError: lengths differ, a symbol is unknown, or a label contradicts the phones or the setting.
        """
        if not in_language(utterance.language, self.config.language):
            return dict.fromkeys(("target", "phones", "canonical", "perceived", "labels"))
        canonical, perceived, target = (
            self._folded(part)
            for part in (utterance.canonical, utterance.perceived, self._without_boundaries(utterance.phones))
        )
        heard = target if perceived is None else perceived
        phones = None if heard is None else tuple(s for s in heard if s != self.config.gap)
        labels = None
        if self.has_labels and utterance.error_labels is not None:
            labels = read_labels(utterance.error_labels, self.config.labels)
            if canonical is not None and perceived is None:
                refuse_other_length(labels, canonical, gap=self.config.gap)
        if canonical is not None and perceived is not None:
            gap = self.config.gap
            positions = pair_up(canonical, perceived, gap)
            if labels is not None:
                positions = labelled_positions(labels, positions, scheme=self.config.labels, gap=gap)
            canonical, perceived = (
                tuple(said for said, _ in positions),
                tuple(heard for _, heard in positions),
            )
        return {
            "target": phones if target is None else target,
            "phones": phones,
            "canonical": canonical,
            "perceived": perceived,
            "labels": labels,
        }

    def _without_boundaries(self, symbols: Sequence[str] | None) -> Sequence[str] | None:
        """The phones of a row that was made for `phoneme` too; positions of errors know no words."""
        if symbols is None or WORD_BOUNDARY in self.phones:
            return symbols
        return [symbol for symbol in symbols if symbol != WORD_BOUNDARY]

    def _folded(self, symbols: Sequence[str] | None) -> tuple[str, ...] | None:
        """The symbols in the inventory's spelling; an unknown one is refused where phones are learnt."""
        if symbols is None:
            return None
        folded = tuple(fold_phone(symbol, self.config.fold) for symbol in symbols)
        if self.has_phones:
            for symbol in folded:
                if symbol not in self._phone_index:
                    self._refuse(symbol)
        return folded

    def _refuse(self, symbol: str) -> None:
        try:
            label_index(symbol, tuple(self._phone_index)[1:], "phone")
        except TaskError as error:
            spelt = fold_phone(symbol, ("case", "stress"))
            if self.config.inventory == "arpabet" and spelt in self._phone_index:
                raise TaskError(
                    f"{error}; tasks.mispronunciation.fold=[case, stress] reads it as '{spelt}'"
                ) from None
            raise


def fold_phone(symbol: str, fold: Sequence[str]) -> str:
    """An English phone without its stress digit, in lower case, as far as `fold` asks for.

    >>> fold_phone("AH0", ("case", "stress"))
    'ah'
    """
    if "stress" in fold:
        symbol = symbol.rstrip("012")
    return symbol.lower() if "case" in fold else symbol


TASK = MispronunciationTask
