"""The part of the task `mispronunciation` that labels each canonical phone: slots of the error output, and the segment
head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.korean.phones import WORD_BOUNDARY
from soritune.metrics.error_labels import CORRECT
from soritune.metrics.slot_errors import NUM_BINS, best_f1_threshold, low_rejection_threshold
from soritune.tasks.labels import BLANK, in_spelling_of, symbol_ids
from soritune.tasks.mispronunciation_settings import ErrorThresholds, MispronunciationConfig
from soritune.tasks.phones.annotated_phones import LETTERS
from soritune.tasks.phones.annotation_reader import Annotation, AnnotationReader, fold_phone
from soritune.tasks.phones.error_slots import (
    LabelledPhones,
    Slot,
    compared,
    compared_rates,
    read_segments,
    read_slots,
    slot_letters,
    slots_of,
    swapped_phones,
    swapped_text,
    windows_of,
)
from soritune.tasks.results import Counts, Pair, add_counts
from soritune.tasks.specs import InputSpec, OutputSpec

SEGMENT, CANONICAL = "segment", "canonical"
"""The output of the segment head, and its input: the phones of the text."""
Part = Literal["slots", "segment"]
LABELS: dict[Part, str] = {"slots": "labels", "segment": "segment_labels"}
"""Field of a prediction with the labels of a part."""
ERRORS: dict[Part, str] = {"slots": "slot_errors", "segment": "segment_errors"}
"""Field of a prediction with the probabilities of an error."""
RATES: dict[Part, str] = {"slots": "slot", "segment": "segment"}
"""Beginning of the names of a part's rates and counts."""


class LabelsByPhone:
    """Outputs, targets and predictions by canonical phone.

    Args:
        config: of the task.
        reader: reads the annotation of a row.
        phone_index: symbol to column of the phone output.

    Attributes:
        letters: the labels of a phone, C first.
        parts: what gives such labels; empty by default.
    """

    def __init__(
        self, config: MispronunciationConfig, reader: AnnotationReader, phone_index: Mapping[str, int]
    ) -> None:
        self.config, self.reader, self.phone_index = config, reader, phone_index
        self.letters = slot_letters(config.labels)
        slots: tuple[Part, ...] = ("slots",) if config.error_decoding == "slots" else ()
        segment: tuple[Part, ...] = ("segment",) if config.segment_head is not None else ()
        self.parts = (*slots, *segment)
        self.dropped = (config.gap, *(() if WORD_BOUNDARY in config.phones else (WORD_BOUNDARY,)))
        self._label_index = {label: index for index, label in enumerate((BLANK, *self.letters))}

    # ── declarations ──

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """`segment`, if there is a segment head."""
        head = self.config.segment_head
        if head is None:
            return ()
        return (
            OutputSpec(
                name=SEGMENT,
                labels=tuple(self._label_index),
                resolution="frame",
                objective="phone_slots",
                weight=head.weight,
                layer=head.layer,  # type: ignore[arg-type]
                reads=self.config.phoneme_output,
                inputs=(CANONICAL,),
                options={"blank": 0, "symbols": len(self.phone_index)},
                head=head.stored(),
            ),
        )

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The phones of the text, if there is a segment head."""
        if self.config.segment_head is None:
            return ()
        options = {
            "symbols": list(self.phone_index),
            "dropped": list(self.dropped),
            "fold": list(self.config.fold),
        }
        return (InputSpec(CANONICAL, "canonical", "text", "phones", optional=True, options=options),)

    # ── targets ──

    def slots(self, row: Annotation) -> list[Slot] | None:
        """The canonical phones of an annotation with their labels."""
        return slots_of(row.canonical, row.perceived, row.labels, gap=self.config.gap, letters=self.letters)

    def targets(self, row: Annotation) -> dict[str, NDArray[Any] | None]:
        """Label ids (phones,) of the segment head."""
        if self.config.segment_head is None:
            return {}
        slots = self.slots(row)
        return {SEGMENT: None if slots is None else self._ids(slots)}

    def _ids(self, slots: Sequence[Slot]) -> NDArray[np.int64]:
        return symbol_ids([slot.label for slot in slots], self._label_index, "label")

    @property
    def swaps_prompts(self) -> bool:
        """Whether the segment head is trained on other texts too."""
        head = self.config.segment_head
        return head is not None and bool(head.swapped_texts or head.swapped_phones)

    def swapped(
        self, utterance: Utterance, other: Utterance, generator: np.random.Generator
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any] | None]]:
        """The text of the other row, or some of its phones, with the labels that follow from what was spoken."""
        head, gap, letters = self.config.segment_head, self.config.gap, self.letters
        row, there = self.reader.read(utterance), self.reader.read(other)
        slots, phones = self.slots(row), [symbol for symbol in there.canonical or () if symbol != gap]
        if head is None or slots is None or not phones:
            return {}, {}
        if generator.random() < head.swapped_texts:
            if row.phones is None:
                return {}, {}
            slots = swapped_text(row.phones, phones, gap=gap, letters=letters)
        elif head.swapped_phones:
            slots = swapped_phones(slots, phones, head.swapped_phones, generator, gap=gap, letters=letters)
        return {CANONICAL: [slot.canonical for slot in slots]}, {SEGMENT: self._ids(slots)}

    # ── predictions ──

    def canonical_of(self, prompt: str | None) -> list[str] | None:
        """The phones of a prompt, without gaps; None without phones."""
        known = dict.fromkeys(self.config.phones)
        folded = [fold_phone(symbol, self.config.fold) for symbol in (prompt or "").split()]
        return [symbol for symbol in in_spelling_of(folded, known) if symbol not in self.dropped] or None

    def threshold(self, part: Part) -> float | None:
        """The probability of an error from which a phone is called wrong; None if none was chosen."""
        chosen = self.config.thresholds.get(part)
        if chosen is None:
            return None
        return chosen.best_f1 if self.config.operating_point == "best_f1" else chosen.low_rejection

    def read(self, outputs: Mapping[str, NDArray[np.float32]], prompt: str | None) -> dict[str, Any]:
        """Fields of a prediction; empty if the prompt has no phones, or the clip has no room for them.

        `canonical` are the phones. The labels of a part and its probabilities of an error are as long as these.
        """
        canonical = self.canonical_of(prompt) if self.parts else None
        fields: dict[str, Any] = {}
        if canonical is None:
            return fields
        for part in self.parts:
            read = (
                self._slots_in(outputs, canonical)
                if part == "slots"
                else self._segments_in(outputs, canonical)
            )
            if read is None:
                continue
            fields |= {LABELS[part]: read.labels, ERRORS[part]: read.probabilities, "canonical": canonical}
            if part == "slots":
                fields["labels_confidence"] = read.confidence
        return fields

    def _slots_in(
        self, outputs: Mapping[str, NDArray[np.float32]], canonical: Sequence[str]
    ) -> LabelledPhones | None:
        """Labels of the error output, each sought where its phone is."""
        windows, phones = None, outputs.get(self.config.phoneme_output)
        if phones is not None and self.config.task == "both":
            windows = windows_of(phones, symbol_ids(canonical, self.phone_index, "phone").tolist(), 0)
        ids = self.columns()
        return read_slots(
            outputs["error"], len(canonical), ids, self.letters, 0, windows, self.threshold("slots")
        )

    def columns(self) -> list[int]:
        """The columns of the error output with the labels of a phone; the blank is the first column."""
        return [1 + LETTERS[self.config.labels].index(letter) for letter in self.letters]

    def _segments_in(
        self, outputs: Mapping[str, NDArray[np.float32]], canonical: Sequence[str]
    ) -> LabelledPhones | None:
        if SEGMENT not in outputs:
            return None
        read = read_segments(outputs[SEGMENT], self.letters, 0, self.threshold("segment"))
        return read if read is not None and len(read.labels) == len(canonical) else None

    def chosen_thresholds(self, pairs: Sequence[Pair]) -> dict[Part, ErrorThresholds]:
        """The thresholds of each part, from the clips of validation speakers.

        Raises:
            TaskError: the clips have no wrong phone, or no correct one.
        """
        chosen: dict[Part, ErrorThresholds] = {}
        speakers = {pair.groups.get("speaker") for pair in pairs} - {None}
        counts = add_counts(self.count(pair.reference, pair.prediction.fields) for pair in pairs)
        for part in self.parts:
            bins = counts.get(f"{RATES[part]}_bins", np.zeros(2 * NUM_BINS)).reshape(2, NUM_BINS)
            correct, wrong = (int(number) for number in bins.sum(axis=1))
            if not correct or not wrong:
                raise TaskError(
                    f"thresholds need correct and wrong phones, and the validation clips have {correct} and {wrong} "
                    f"that are annotated and labelled by {part}; choose another split, or a larger validation part"
                )
            chosen[part] = ErrorThresholds(
                best_f1=best_f1_threshold(bins),
                low_rejection=low_rejection_threshold(bins),
                speakers=len(speakers),
                phones=correct + wrong,
            )
        return chosen

    # ── scores ──

    def count(self, reference: Mapping[str, Any], fields: Mapping[str, Any]) -> Counts:
        """Counts of one clip; zeros where annotation or prediction has no labels by phone."""
        counts: Counts = {}
        for part in self.parts:
            slots = slots_of(
                reference["canonical"],
                reference["perceived"],
                reference["labels"],
                gap=self.config.gap,
                letters=self.letters,
            )
            given = compared(slots, fields.get(LABELS[part]), fields.get(ERRORS[part]))
            counts |= {f"{RATES[part]}_{name}": value for name, value in given.items()}
        return counts

    def rates(self, counts: Counts) -> dict[str, float]:
        """slot_… and segment_… of summed counts."""
        rates: dict[str, float] = {}
        for part in self.parts:
            rates |= compared_rates(counts, RATES[part])
        return rates

    def num_errors(self, counts: Counts) -> Iterator[tuple[str, float]]:
        """The beginning of a part's rates, and its number of errors in the annotation."""
        for part in self.parts:
            found, _, missed, _ = counts.get(f"{RATES[part]}_counts", np.zeros(4))
            yield RATES[part], float(found + missed)

    def correct(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a prediction in which every phone is correct."""
        phones = [symbol for symbol in reference["canonical"] or [] if symbol != self.config.gap]
        if not phones:
            return {}
        fields: dict[str, Any] = {}
        for part in self.parts:
            fields |= {LABELS[part]: [CORRECT] * len(phones), ERRORS[part]: [0.0] * len(phones)}
        return fields
