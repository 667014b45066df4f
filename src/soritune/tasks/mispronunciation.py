"""Mispronunciation: the phones that a learner pronounced, and a label (correct, or the kind of error) per position.

Two CTC outputs on one encoder: `phoneme` over the pronounced phones, `error` over the labels. The first gives errors
by comparison with the canonical phones (`metrics/mispronunciation.py`, protocol `kaldi`), the second directly.

Published systems report the accuracy of labels by position, in which "always correct" is best. It is kept as
`error_acc` because they choose checkpoints by it, but here models are chosen by `error_f1`; `metrics/error_labels.py`
defines both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.korean.phones import ARPABET, KOREAN
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
from soritune.tasks.frame_heads import FrameHeadSettings
from soritune.tasks.labels import BLANK, rate, read_symbols, symbol_ids
from soritune.tasks.notation import WrittenPhone, written_phones
from soritune.tasks.phones.annotated_phones import LETTERS, Scheme
from soritune.tasks.phones.annotation_reader import AnnotationReader
from soritune.tasks.phones.language import language_mismatch
from soritune.tasks.phones.mispronunciation_tables import RATES, error_tables, protocol_table, speaker_tables
from soritune.tasks.phones.phone_tables import WORST_CASES, phone_tables, worst_alignments
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
"""A sound that annotators could not identify; a phone of its own in second-language corpora."""
L2_ARPABET: tuple[str, ...] = (*(phone.lower() for phone in ARPABET.symbols), UNINTELLIGIBLE)
INVENTORIES: dict[str, tuple[str, ...]] = {"arpabet": L2_ARPABET, "korean": KOREAN.symbols}
PHONE_COUNTS, PROTOCOL_COUNTS = 4, 7
OF_ERRORS = ("precision", "recall", "f1")
"""Rates to which only speakers who make errors contribute."""


class MispronunciationConfig(TaskConfig):
    """Settings of the task `mispronunciation`."""

    task: Literal["phoneme", "error", "both"] = "both"
    """The outputs of the model."""
    labels: Scheme
    """What the letters of `error_labels` mean: C and I (or E) for any error, or C, S, D, and I for an insertion. No
    default: corpora differ."""
    inventory: Literal["korean", "arpabet"] | tuple[str, ...] = "arpabet"
    """The phones: "arpabet" is 39 in lower case without stress and `err`; "korean"; or the symbols themselves."""
    fold: tuple[Literal["case", "stress"], ...] = ()
    """Of the arpabet inventory: read AH as ah ("case"), ah0 as ah ("stress")."""
    language: str | None = None
    """Rows in any other language (manifest field `language`) are ignored; with or without a region (`en`, `en-US`).
    null takes all rows."""
    gap: str = SILENCE
    """Symbol of a gap in the aligned phones and of real silence."""
    phoneme_output: str = Field("phoneme", min_length=1)
    """Name of the phone output; change it if another task's output is called `phoneme` too."""
    phoneme_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of the phone output's loss in the total."""
    error_weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of the error output's loss in the total."""
    phoneme_layer: int | str | tuple[int, ...] = "last"
    """What the phone head reads: "last", "weighted", the number of a transformer layer, or several numbers."""
    error_layer: int | str | tuple[int, ...] = "last"
    """What the error head reads."""
    phoneme_head: FrameHeadSettings = Field(default_factory=FrameHeadSettings)
    """What is between that and the linear layer of the phones."""
    error_head: FrameHeadSettings = Field(default_factory=FrameHeadSettings)
    """The same of the labels."""

    @model_validator(mode="after")
    def _sound(self) -> MispronunciationConfig:
        phones = self.phones
        if len(set(phones)) != len(phones) or not phones:
            raise ValueError(f"inventory must be distinct phones, got {list(phones)}")
        if self.fold and self.inventory != "arpabet":
            raise ValueError(
                "fold is for inventory=arpabet only; in other inventories case and digits distinguish phones"
            )
        reserved = next((symbol for symbol in (self.gap, BLANK, SILENCE) if symbol in phones), None)
        if reserved is not None:
            raise ValueError(f"'{reserved}' is a gap, a silence or the blank and cannot be a phone too")
        return self

    def idle_settings(self) -> dict[str, str]:
        """Settings of an output that `task` leaves out."""
        parts = {"phoneme": ("error_weight", "error_layer", "error_head"), "both": ()}
        idle = parts.get(self.task, ("phoneme_weight", "phoneme_layer", "phoneme_output", "phoneme_head"))
        return {
            **self.phoneme_head.idle_settings("phoneme_head"),
            **self.error_head.idle_settings("error_head"),
            **dict.fromkeys(idle, f"with tasks.mispronunciation.task={self.task}"),
        }

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
        self._reader = AnnotationReader(
            phones=dict.fromkeys(self.phones),
            gap=config.gap,
            scheme=config.labels,
            language=config.language,
            fold=config.fold,
            folding_helps=config.inventory == "arpabet",
            checks_phones=self.has_phones,
            reads_labels=self.has_labels,
        )

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
                config.phoneme_head,
            ),
            (
                self.has_labels,
                "error",
                self._label_index,
                config.error_weight,
                config.error_layer,
                config.error_head,
            ),
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
                head=head.stored(),
            )
            for is_learnt, name, index, weight, layer, head in parts
            if is_learnt
        )

    @property
    def phone_output(self) -> str | None:
        """The output of the perceived phones, if they are learnt."""
        return self.config.phoneme_output if self.has_phones else None

    @property
    def written_phones(self) -> tuple[WrittenPhone, ...]:
        """Korean phones as letters and in IPA, English phones in IPA."""
        return written_phones(self.config.inventory)

    @property
    def primary_metric(self) -> Metric:
        """F1 of the errors by aligned labels; if no labels are learnt, F1 of the mispronunciations that the recognised
        phones show."""
        return Metric("error_f1" if self.has_labels else "mdd_f1", True)

    def part_fault(self, rows: Iterable[Utterance]) -> str | None:
        """Rows without a single error, if labels are learnt: every rate of errors would be undefined."""
        if not self.has_labels:
            return None
        for row in rows:
            try:
                labels = self._reader.read(row).labels or ()
            except TaskError:
                continue
            if any(label != CORRECT for label in labels):
                return None
        return (
            "has no mispronunciation (an error label other than C); check that tasks.mispronunciation.labels fits the "
            "corpus, choose another split (split.seed, split.given=null), set the ratio of a small part to 0, or learn "
            "only phones with tasks.mispronunciation.task=phoneme"
        )

    def widest(self) -> MispronunciationTask:
        """This task with both outputs."""
        return MispronunciationTask(self.config.model_copy(update={"task": "both"}))

    @property
    def rate_descriptions(self) -> Mapping[str, RateDescription]:
        """Descriptions of the rates of both outputs, trained or not."""
        return RATES

    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Label ids (symbols,) per trained output: phones with the silences of `phones`, and labels."""
        row = self._reader.read(utterance)
        targets: dict[str, NDArray[Any] | None] = {}
        if self.has_phones:
            targets[self.config.phoneme_output] = (
                None if row.target is None else symbol_ids(row.target, self._phone_index, "phone")
            )
        if self.has_labels:
            targets["error"] = (
                None if row.labels is None else symbol_ids(row.labels, self._label_index, "label")
            )
        return targets

    def decode(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        prompt: str | None = None,
        decoder: Decoder | None = None,
    ) -> Prediction:
        """The symbols of each output as `decoder` reads it; silence is not a phone."""
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
        """The phones and the labels, as far as the model has such outputs."""
        return tuple(Column(field, field) for field in ("phones", "labels") if field in prediction.fields)

    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """`{"phones", "canonical", "perceived", "labels"}`; None for a field that the row does not have.

        `phones` are the perceived ones, without gaps. canonical and perceived are equally long, and as long as the
        labels: if the labels leave real silences out, so do they.
        """
        row = self._reader.read(utterance)
        if row.labels is None and not (self.has_phones and row.phones is not None):
            return None
        fields = {
            "phones": row.phones,
            "canonical": row.canonical,
            "perceived": row.perceived,
            "labels": row.labels,
        }
        reference = {name: None if symbols is None else list(symbols) for name, symbols in fields.items()}
        return {**reference, **({"text": utterance.text} if utterance.text else {})}

    def guesses(self) -> tuple[Guess, ...]:
        """One, `always-correct`: no speaker makes an error."""
        sentence = "every phone is pronounced as it should be, every label is C"
        return (Guess("always-correct", sentence, self._correct),)

    def count(self, pair: Pair) -> Counts:
        """Edits over phones, mispronunciations by the protocol `kaldi`, and counts of the aligned labels."""
        reference, fields = pair.reference, pair.prediction.fields
        counts: Counts = {}
        if self.has_phones:
            counts["phone"] = np.zeros(PHONE_COUNTS)
            counts["mdd"] = np.zeros(PROTOCOL_COUNTS)
            if reference["phones"] is not None:
                counts["phone"] += edit_counts(reference["phones"], fields["phones"])
            outcomes = self.mispronunciations(pair, "kaldi")
            if outcomes is not None:
                counts["mdd"] += (
                    outcomes.true_accepts,
                    outcomes.false_rejects,
                    outcomes.false_accepts,
                    outcomes.correct_diagnoses,
                    outcomes.diagnosis_errors,
                    outcomes.extra_insertions,
                    len(reference["phones"]),
                )
        if self.has_labels:
            counts["label"] = np.zeros(NUM_COUNTS)
            if reference["labels"] is not None:
                counts["label"] += error_label_counts(reference["labels"], fields["labels"])
        return counts

    def rates(self, counts: Counts) -> dict[str, float]:
        """per and mdd_… of the phone output, error_… of the labels; only for trained outputs."""
        rates: dict[str, float] = {}
        if self.has_phones:
            substitutions, deletions, insertions, total = counts.get("phone", np.zeros(PHONE_COUNTS))
            rates["per"] = rate(substitutions + deletions + insertions, total)
            rates["per_substitutions"] = rate(substitutions, total)
            rates["per_deletions"] = rate(deletions, total)
            rates["per_insertions"] = rate(insertions, total)
            *outcomes, extra, perceived = counts.get("mdd", np.zeros(PROTOCOL_COUNTS))
            mdd = mispronunciation_rates(MispronunciationCounts(*(int(n) for n in outcomes)))
            for name in (*OF_ERRORS, "false_rejection_rate", "diagnosis_error_rate", "detection_accuracy"):
                rates[f"mdd_{name}"] = mdd[name]
            rates["mdd_extra_insertions"] = rate(extra, perceived)
        if self.has_labels:
            labels = error_label_rates(counts.get("label", np.zeros(NUM_COUNTS)))
            rates |= {f"error_{name}": value for name, value in labels.items()}
        return rates

    def contributes(self, counts: Counts) -> dict[str, bool]:
        """Only speakers who made at least one error contribute to precision, recall and F1."""
        contributes = super().contributes(counts)
        errors = {"mdd": 0.0, "error": 0.0}
        if self.has_phones:
            _, _, false_accepts, correct_diagnoses, diagnosis_errors, *_ = counts.get(
                "mdd", np.zeros(PROTOCOL_COUNTS)
            )
            errors["mdd"] = false_accepts + correct_diagnoses + diagnosis_errors
        if self.has_labels:
            _, _, _, detected, _, missed, *_ = counts.get("label", np.zeros(NUM_COUNTS))
            errors["error"] = detected + missed
        for part, number in errors.items():
            names = [f"{part}_{name}" for name in OF_ERRORS]
            contributes |= {name: bool(number > 0) for name in names if name in contributes}
        return contributes

    def report(self, pairs: Sequence[Pair]) -> Section:
        """Tables by speaker, label, phone and protocol, and the worst utterances aligned."""
        tables = list(speaker_tables(pairs))
        alignments: list[Alignment] = []
        if self.has_labels:
            labelled = [pair for pair in pairs if pair.reference["labels"] is not None]
            tables += error_tables(labelled, self.letters)
            if not self.has_phones:
                rows = ((p.id, p.reference["labels"], p.prediction.fields["labels"]) for p in labelled)
                alignments += worst_alignments(rows, WORST_CASES, is_of_phones=False)
        if self.has_phones:
            counts = {
                name: [n for n in (self.mispronunciations(pair, name) for pair in pairs) if n is not None]
                for name in ("kaldi", "mpl")
            }
            tables.append(protocol_table(counts))
            with_phones = [pair for pair in pairs if pair.reference["phones"] is not None]
            phones, alignments_of_phones = phone_tables(
                (p.id, p.reference["phones"], p.prediction.fields["phones"]) for p in with_phones
            )
            tables += phones
            alignments += alignments_of_phones
        return Section(title="Mispronunciation", tables=tuple(tables), alignments=tuple(alignments))

    def mispronunciations(self, pair: Pair, protocol: Protocol) -> MispronunciationCounts | None:
        """Counts of one utterance from the recognised phones; None if canonical or perceived is unknown."""
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
        """A language that the task ignores."""
        return language_mismatch(utterance.language, self.config.language)


TASK = MispronunciationTask
