"""Labels of errors by canonical phone: what annotation says of each, what outputs say, and how the two compare.

Positions that are a gap in the canonical phones (silences, insertions) are left out: they are not phones of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.assessment.alignment import frames_needed, viterbi
from soritune.assessment.slots import SLACK_FRAMES, DecodedSlots, Windows, decode_slots, territories
from soritune.metrics.edit_distance import align
from soritune.metrics.error_labels import CORRECT
from soritune.metrics.slot_errors import (
    NUM_BINS,
    area_under_curve,
    binned,
    slot_counts,
    slot_rates,
)
from soritune.tasks.phones.annotated_phones import LETTERS, Scheme
from soritune.tasks.results import Counts, RateDescription

SLOT_COUNTS = 4
INSERTED, DELETED = "I", "D"
EVEN = 0.5
"""The threshold if none was chosen."""


class Slot(NamedTuple):
    """One canonical phone as annotated."""

    canonical: str
    perceived: str | None
    """The gap if it was left out; None if it is not known."""
    label: str


def slot_letters(scheme: Scheme) -> tuple[str, ...]:
    """The labels that a canonical phone may have, C first; without insertions.

    >>> slot_letters("correct-substituted-deleted-inserted")
    ('C', 'S', 'D')
    """
    letters = LETTERS[scheme]
    return letters if len(letters) == 2 else tuple(letter for letter in letters if letter != INSERTED)


def error_letter(letters: Sequence[str], *, is_deletion: bool) -> str:
    """The label of an error: I for any in a scheme of two letters, else D or S."""
    if len(letters) == 2:
        return letters[1]
    return DELETED if is_deletion else letters[1]


def slots_of(
    canonical: Sequence[str] | None,
    perceived: Sequence[str] | None,
    labels: Sequence[str] | None,
    *,
    gap: str,
    letters: Sequence[str],
) -> list[Slot] | None:
    """The canonical phones of a row with their labels.

    Args:
        canonical: with gaps.
        perceived: as long as canonical; None if it is not known.
        labels: as long as canonical, or without its gaps; None takes differences from perceived as errors.
        gap: symbol of a gap.
        letters: what `slot_letters` returns.

    Returns:
        None if neither labels nor perceived phones are known, or no phone is left.
    """
    if canonical is None or (perceived is None and labels is None):
        return None
    spoken = [symbol != gap for symbol in canonical]
    if labels is None:
        assert perceived is not None
        labels = [
            CORRECT if expected == actual else error_letter(letters, is_deletion=actual == gap)
            for expected, actual in zip(canonical, perceived, strict=True)
        ]
    elif len(labels) == len(canonical):
        labels = list(labels)
    elif len(labels) == sum(spoken):
        without_gaps = iter(labels)
        labels = [next(without_gaps) if is_phone else CORRECT for is_phone in spoken]
    else:
        return None
    actual_phones: Sequence[str | None] = perceived if perceived is not None else [None] * len(canonical)
    slots = [
        Slot(expected, actual, label)
        for expected, actual, label, is_phone in zip(canonical, actual_phones, labels, spoken, strict=True)
        if is_phone
    ]
    return slots or None


def swapped_text(
    spoken: Sequence[str], other: Sequence[str], *, gap: str, letters: Sequence[str]
) -> list[Slot]:
    """The phones of another text with the labels that follow from the phones `spoken`: the two are aligned with the
    fewest edits.

    Args:
        spoken: perceived phones, without gaps.
        other: canonical phones of the other text, without gaps.
        gap: symbol of a gap.
        letters: what `slot_letters` returns.
    """
    slots = []
    for expected, actual in align(other, spoken).columns:
        if expected is None:
            continue
        label = CORRECT if expected == actual else error_letter(letters, is_deletion=actual is None)
        slots.append(Slot(expected, gap if actual is None else actual, label))
    return slots


def swapped_phones(
    slots: Sequence[Slot],
    other: Sequence[str],
    share: float,
    generator: np.random.Generator,
    *,
    gap: str,
    letters: Sequence[str],
) -> list[Slot]:
    """The slots with a share of their phones replaced by phones drawn from `other`, and the labels that follow.

    A replaced phone is correct if it is what was perceived, else an error. A phone that is drawn as itself stays.
    """
    changed = list(slots)
    for index in np.flatnonzero(generator.random(len(slots)) < share):
        slot, phone = changed[index], other[int(generator.integers(len(other)))]
        if phone == slot.canonical:
            continue
        actual = slot.canonical if slot.perceived is None and slot.label == CORRECT else slot.perceived
        label = CORRECT if phone == actual else error_letter(letters, is_deletion=actual == gap)
        changed[index] = Slot(phone, actual, label)
    return changed


# ── what outputs say ──


@dataclass(frozen=True, slots=True)
class LabelledPhones:
    """A label for each canonical phone."""

    labels: list[str]
    probabilities: list[float]
    """Of an error, by phone."""
    confidence: float
    """Mean probability of the labels; 0 without phones."""


def windows_of(scores: NDArray[np.floating], ids: Sequence[int], blank: int) -> Windows | None:
    """The frames in which each phone's label is sought, from an output over phones; None if it cannot be aligned."""
    if frames_needed(ids) > len(scores):
        return None
    windows = territories(viterbi(scores, ids, blank), len(scores))
    windows[:, 0] -= SLACK_FRAMES
    windows[:, 1] += SLACK_FRAMES
    return windows


def read_slots(
    log_probabilities: NDArray[np.floating],
    num_slots: int,
    columns: Sequence[int],
    letters: Sequence[str],
    blank: int,
    windows: Windows | None,
    threshold: float | None,
) -> LabelledPhones | None:
    """One label for each phone from a CTC output over labels; None if it has no room for them.

    Args:
        log_probabilities: (frames, labels).
        num_slots: number of phones.
        columns: of the labels that a phone may have.
        letters: these labels, C first.
        blank: index of the blank.
        windows: frames in which a label is sought, left out where they leave no path.
        threshold: probability from which a phone is wrong; None takes the best path.
    """
    decoded: DecodedSlots | None = None
    if windows is not None:
        decoded = decode_slots(log_probabilities, num_slots, columns, blank, windows)
    if decoded is None:
        decoded = decode_slots(log_probabilities, num_slots, columns, blank)
    if decoded is None:
        return None
    chosen = decoded.letters if threshold is None else called(decoded.probabilities, threshold)
    return _labelled(decoded.probabilities, chosen, letters)


def read_segments(
    log_probabilities: NDArray[np.floating], letters: Sequence[str], blank: int, threshold: float | None
) -> LabelledPhones | None:
    """One label for each phone from an output of the objective `phone_slots`; None if the clip has no phones.

    Args:
        log_probabilities: (frames, labels): those of phone i in frame i.
        letters: labels that a phone may have, C first, in the order of the columns without the blank.
        blank: index of "no phone".
        threshold: probability from which a phone is wrong; None is one half.
    """
    shares = np.exp(np.asarray(log_probabilities, dtype=np.float64))
    shares = shares[shares[:, blank] < EVEN]
    if not len(shares):
        return None
    shares = np.delete(shares, blank, axis=1)
    shares /= shares.sum(axis=1, keepdims=True)
    return _labelled(shares, called(shares, EVEN if threshold is None else threshold), letters)


def called(shares: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """(slots,) 0 for a correct phone, else the most probable error.

    Args:
        shares: (slots, letters), C first.
        threshold: probability of any error from which a phone is wrong.
    """
    is_wrong = shares[:, 1:].sum(axis=1) >= threshold - 1e-9
    return np.where(is_wrong, 1 + shares[:, 1:].argmax(axis=1), 0)


def _labelled(
    shares: NDArray[np.float64], chosen: NDArray[np.int64], letters: Sequence[str]
) -> LabelledPhones:
    certain = shares[np.arange(len(shares)), chosen]
    errors = np.clip(shares[:, 1:].sum(axis=1), 0.0, 1.0)
    return LabelledPhones(
        [letters[index] for index in chosen],
        [round(float(value), 4) for value in errors],
        round(float(certain.mean()), 4) if len(certain) else 0.0,
    )


# ── comparison ──


def compared(
    slots: Sequence[Slot] | None, labels: Sequence[str] | None, probabilities: Sequence[float] | None
) -> dict[str, NDArray[np.float64]]:
    """Counts of one clip: `slot_counts`, and the bins of the probabilities, flat; zeros where one side is not known."""
    counts, bins = np.zeros(SLOT_COUNTS), np.zeros((2, NUM_BINS))
    if slots is not None and labels is not None and probabilities is not None and len(slots) == len(labels):
        is_wrong = [slot.label != CORRECT for slot in slots]
        counts += slot_counts([label != CORRECT for label in labels], is_wrong)
        bins += binned(probabilities, is_wrong)
    return {"counts": counts, "bins": bins.ravel()}


def compared_rates(counts: Counts, part: str) -> dict[str, float]:
    """The rates of `compared`, whose counts are called `<part>_counts` and `<part>_bins`."""
    rates = slot_rates(counts.get(f"{part}_counts", np.zeros(SLOT_COUNTS)))
    bins = counts.get(f"{part}_bins", np.zeros(2 * NUM_BINS)).reshape(2, NUM_BINS)
    return {f"{part}_{name}": value for name, value in {**rates, "auc": area_under_curve(bins)}.items()}


def descriptions(part: str, source: str) -> dict[str, RateDescription]:
    """Descriptions of the rates of `compared_rates`; `source` names where the labels come from."""
    return {
        f"{part}_f1": RateDescription(f"F1 of wrong phones, {source}", higher_is_better=True),
        f"{part}_precision": RateDescription(
            f"share of phones called wrong that are wrong, {source}", higher_is_better=True
        ),
        f"{part}_recall": RateDescription(
            f"share of wrong phones that are called wrong, {source}", higher_is_better=True
        ),
        f"{part}_false_rejection_rate": RateDescription(
            f"share of right phones called wrong, {source}", higher_is_better=False
        ),
        f"{part}_balanced_acc": RateDescription(
            f"mean of the shares of wrong and right phones recognised as such, {source}",
            higher_is_better=True,
        ),
        f"{part}_auc": RateDescription(
            f"area under the ROC curve of the probability of an error, {source}",
            higher_is_better=True,
            needs_probabilities=True,
        ),
    }
