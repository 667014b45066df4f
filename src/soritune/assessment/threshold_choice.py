"""Choice of a model's thresholds on speakers whose pronunciation counts as right: measures per clip, then limits.

The speakers are natives, or those whose errors a teacher would not correct. Their right texts should be accepted and
few of their phones called wrong; texts of other clips, of similar length, should be rejected.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soritune.assessment.alignment import LogProbabilities, viterbi
from soritune.assessment.expected import expected_of_text
from soritune.assessment.relatedness import Relatedness, relatedness
from soritune.assessment.thresholds import Thresholds
from soritune.assessment.verdicts import ERRORS, verdicts
from soritune.errors import TaskError, TextError
from soritune.korean.hangul import is_syllable

SWAPPED = 3
"""Texts of other clips that each recording is compared with."""
WITHIN_SYLLABLES = 5
"""Their largest difference in length."""
REJECTED = 0.98
"""Share of other texts that must be rejected."""
WRONG = 0.05
"""Largest share of the phones of a speaker that may be called wrong."""
SPEAKERS = 0.9
"""Share of the speakers for whom this must hold."""
INSERTED = 0.01
"""Largest number of insertions per phone, for the same share of the speakers."""
LEAST_SPEAKERS, LEAST_CLIPS = 2, 20
"""With fewer speakers or clips nothing is chosen."""
BY_HAND: dict[str, float] = {
    "least_candidate_probability": 0.5,
    "most_phones_per_s": 30.0,
    "least_language_probability": 0.6,
    "least_speech_s": 0.2,
    "least_level_dbfs": -55.0,
    "most_clipped_share": 0.02,
}
"""Limits of the recording and of certainty, which do not depend on the speakers."""
_LOG_PROBABILITIES = np.arange(-40.0, 0.0, 0.5)
_LOG_RATIOS = np.arange(1.0, 40.5, 0.5)
_MARGINS = np.arange(0.0, 4.05, 0.1)
_DEVIATIONS = np.arange(0.0, 4.05, 0.1)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording with its right text."""

    id: str
    speaker: str
    text: str
    log_probabilities: LogProbabilities
    """(frames, labels)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What thresholds are chosen on."""

    speaker: str
    right: Relatedness | None
    """Of the right text; None if it cannot be compared."""
    swapped: tuple[Relatedness | None, ...]
    """Of texts of other clips."""
    num_phones: int
    errors: tuple[float, ...]
    """Natural logarithm of the probability of each phone that would be an error at a limit of 0."""
    insertions: tuple[float, ...]
    """`Insertion.log_ratio` of each phone that would be an insertion at a limit of 0."""


def swapped_texts(clip: Spoken, texts: Sequence[str]) -> list[str]:
    """The texts of other clips that a recording is compared with; they depend only on its id and on all texts."""
    near = [
        text
        for text in dict.fromkeys(texts)
        if text != clip.text and abs(_syllables(text) - _syllables(clip.text)) <= WITHIN_SYLLABLES
    ]
    random.Random(clip.id).shuffle(near)  # noqa: S311
    return near[:SWAPPED]


def measure(clip: Spoken, texts: Sequence[str], labels: Sequence[str], blank: int) -> Measured | None:
    """Measures a clip; None if its own text cannot be read or aligned."""
    output = clip.log_probabilities
    open_limits = Thresholds(
        name="open",
        origin="none",
        phone_log_probability=0.0,
        insertion_log_ratio=0.0,
        least_margin=0.0,
        least_deviation=0.0,
        **BY_HAND,
    )
    try:
        expected = expected_of_text(clip.text, output, labels, blank)
        path = viterbi(output, expected.ids(labels), blank)
    except (TaskError, TextError):
        return None
    # Which insertions join with a phone depends on the limits that are chosen; without joining, all are counted.
    judged, insertions = verdicts(expected, output, labels, blank, path, open_limits, join=False)
    return Measured(
        speaker=clip.speaker,
        right=relatedness(expected, output, labels, blank),
        swapped=tuple(_relation(text, output, labels, blank) for text in swapped_texts(clip, texts)),
        num_phones=len(judged),
        errors=tuple(math.log(max(each.probability, 1e-300)) for each in judged if each.kind in ERRORS),
        insertions=tuple(each.log_ratio for each in insertions),
    )


def choose_thresholds(measured: Sequence[Measured], name: str, origin: str) -> Thresholds:
    """The thresholds that reject `REJECTED` of the other texts and accept as many right ones as possible, and that
    call at most `WRONG` of the phones wrong for `SPEAKERS` of the speakers.

    Args:
        measured: clips of speakers whose pronunciation counts as right.
        name: of the thresholds.
        origin: on what they are chosen; the numbers of clips and speakers are added.

    Raises:
        TaskError: too few speakers, clips, or other texts of similar length.
    """
    speakers = {each.speaker for each in measured}
    if len(speakers) < LEAST_SPEAKERS or len(measured) < LEAST_CLIPS:
        raise TaskError(
            f"thresholds need at least {LEAST_CLIPS} clips of {LEAST_SPEAKERS} speakers with Korean texts, got "
            f"{len(measured)} of {len(speakers)}; give a manifest with more rows that have `speaker` and `text`"
        )
    margin, deviation = _relation_limits(measured)
    return Thresholds(
        name=name,
        origin=f"{origin} Chosen on {len(measured)} clips of {len(speakers)} speakers: least_margin and "
        f"least_deviation so that {REJECTED:.0%} of other texts within {WITHIN_SYLLABLES} syllables are rejected, "
        f"phone_log_probability and insertion_log_ratio so that at most {WRONG:.0%} of the phones of {SPEAKERS:.0%} of "
        f"the speakers are called wrong and {INSERTED:.0%} inserted. The other limits are set by hand. Not validated "
        "on learners of Korean.",
        phone_log_probability=_phone_limit(measured),
        insertion_log_ratio=_insertion_limit(measured),
        least_margin=margin,
        least_deviation=deviation,
        **BY_HAND,
    )


def figures(measured: Sequence[Measured], thresholds: Thresholds) -> dict[str, Any]:
    """What thresholds do with clips: shares of right texts accepted and other texts rejected, and of phones called
    wrong, per speaker too. Shares are null without clips."""
    swapped = [relation for each in measured for relation in each.swapped]
    wrong = _shares_wrong(measured, thresholds.phone_log_probability)
    phones = sum(each.num_phones for each in measured)
    limit = thresholds.phone_log_probability
    return {
        "clips": len(measured),
        "speakers": len(wrong),
        "right_accepted": _mean([_accepted(each.right, thresholds) for each in measured]),
        "other_texts": len(swapped),
        "other_rejected": _mean([not _accepted(relation, thresholds) for relation in swapped]),
        "phones": phones,
        "phones_called_wrong": _mean([value < limit for each in measured for value in each.errors], phones),
        "insertions_per_phone": _mean(
            [value > thresholds.insertion_log_ratio for each in measured for value in each.insertions], phones
        ),
        "speakers_with_few_wrong": sum(share <= WRONG for share in wrong.values()),
        "wrong_by_speaker": {speaker: round(share, 4) for speaker, share in wrong.items()},
    }


def _mean(values: Sequence[bool], count: int | None = None) -> float | None:
    total = len(values) if count is None else count
    return round(sum(values) / total, 4) if total else None


def _accepted(relation: Relatedness | None, thresholds: Thresholds) -> bool:
    """As `assess` decides: a text that cannot be compared is accepted."""
    return relation is None or (
        relation.margin >= thresholds.least_margin and relation.deviation >= thresholds.least_deviation
    )


def _relation(text: str, output: LogProbabilities, labels: Sequence[str], blank: int) -> Relatedness | None:
    """Of another text; one that does not fit into the recording is rejected for certain."""
    try:
        return relatedness(expected_of_text(text, output, labels, blank), output, labels, blank)
    except (TaskError, TextError):
        return Relatedness(-math.inf, -math.inf)


def _relation_limits(measured: Sequence[Measured]) -> tuple[float, float]:
    """Least margin and least deviation; of pairs that are equally good, the middle one."""
    right = np.array([each.right for each in measured if each.right is not None])
    other = np.array([relation for each in measured for relation in each.swapped if relation is not None])
    if not len(right) or not len(other):
        raise TaskError(
            f"no two texts differ by at most {WITHIN_SYLLABLES} syllables, so that no other text can be tried; give a "
            "manifest with more texts"
        )
    margins, deviations = (axis.ravel() for axis in np.meshgrid(_MARGINS, _DEVIATIONS, indexing="ij"))

    def accepted(relations: Any) -> Any:
        inside = (relations[:, :1] >= margins - 1e-9) & (relations[:, 1:] >= deviations - 1e-9)
        return inside.mean(axis=0)

    rejected, kept = 1 - accepted(other), accepted(right)
    enough = rejected >= min(REJECTED, rejected.max()) - 1e-9
    best = np.flatnonzero(enough & (kept >= kept[enough].max() - 1e-9))
    best = best[rejected[best] >= rejected[best].max() - 1e-9]
    middle = best[len(best) // 2]
    return round(float(margins[middle]), 3), round(float(deviations[middle]), 3)


def _shares_wrong(measured: Sequence[Measured], limit: float) -> dict[str, float]:
    return _per_phone(measured, {id(each): sum(value < limit for value in each.errors) for each in measured})


def _per_phone(measured: Sequence[Measured], counts: dict[int, int]) -> dict[str, float]:
    """Sums of counts per speaker, per phone of the speaker."""
    phones: dict[str, int] = {}
    events: dict[str, int] = {}
    for each in measured:
        phones[each.speaker] = phones.get(each.speaker, 0) + each.num_phones
        events[each.speaker] = events.get(each.speaker, 0) + counts[id(each)]
    return {speaker: events[speaker] / max(phones[speaker], 1) for speaker in phones}


def _phone_limit(measured: Sequence[Measured]) -> float:
    """The highest limit at which enough speakers have few phones called wrong."""
    for limit in _LOG_PROBABILITIES[::-1]:
        shares = _shares_wrong(measured, float(limit))
        if np.mean([share <= WRONG for share in shares.values()]) >= SPEAKERS:
            return float(limit)
    return float(_LOG_PROBABILITIES[0])


def _insertion_limit(measured: Sequence[Measured]) -> float:
    """The lowest limit at which enough speakers have few insertions."""
    for limit in _LOG_RATIOS:
        counts = {id(each): sum(value > limit for value in each.insertions) for each in measured}
        shares = _per_phone(measured, counts)
        if np.mean([share <= INSERTED for share in shares.values()]) >= SPEAKERS:
            return float(limit)
    return float(_LOG_RATIOS[-1])


def _syllables(text: str) -> int:
    return sum(is_syllable(letter) for letter in text)
