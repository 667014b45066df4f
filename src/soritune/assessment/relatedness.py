"""Whether a recording holds the given text at all: the text against others of the same length.

A model gives every text some probability, and a weak model a small one even to the right text. So the text is compared
with decoys: other syllables in the same words. What a decoy and the text share, such as the level of the recording or
the number of phones, cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from soritune.assessment.alignment import Float64, LogProbabilities, frames_needed
from soritune.assessment.expected import Expected, ids_of
from soritune.assessment.limits import check_stop
from soritune.korean import WORD_BOUNDARY, hangul_to_phones

DECOYS, DRAWN = 24, 96
"""Decoys per text, and how many are drawn: those are kept whose length is nearest to that of the text, because the
probability of a text that hardly fits into the recording depends on its length alone."""
_POOL = (
    "가나다라마바사아자하고노도로모보소오조호구누두루무부수우주후기니디리미비시이지히거너더러머버서어저허"
    "는은을를인한간단만반산전정성경동공중장상강방생일길말물발들금"
)
"""Syllables that decoys have beside those of the text, so that short texts have enough decoys."""


class Relatedness(NamedTuple):
    """How much better a text fits than decoys."""

    margin: float
    """Difference to the mean decoy in the natural logarithm of the probability, per phone."""
    deviation: float
    """The same difference for the whole text, in standard deviations of the decoys."""


def relatedness(
    expected: Expected, log_probabilities: LogProbabilities, labels: Sequence[str], blank: int
) -> Relatedness | None:
    """Compares the text with decoys; None if it is too short, or the recording too short for it."""
    ids = expected.ids(labels)
    decoys = [ids_of(decoy, labels) for decoy in decoys_of(expected)]
    fitting = [decoy for decoy in decoys if decoy != ids and frames_needed(decoy) <= len(log_probabilities)]
    if len(fitting) < DECOYS // 2 or frames_needed(ids) > len(log_probabilities):
        return None
    given = np.asarray(log_probabilities, dtype=np.float64)
    own, *others = log_likelihoods(given, [ids, *fitting], blank)
    # Per phone, because decoys have a few phones more or less than the text.
    per_phone = np.array(others) / [len(decoy) for decoy in fitting]
    margin = own / len(ids) - per_phone.mean()
    return Relatedness(float(margin), float(margin / max(per_phone.std(), 1e-6)))


def decoys_of(expected: Expected) -> list[tuple[str, ...]]:
    """Texts with other syllables in the same words; the same for every recording of a text."""
    units: list[tuple[str, ...]] = []
    keys: list[int | None] = []
    for phone in expected.phones:
        if phone.syllable is not None and keys and keys[-1] == phone.syllable:
            units[-1] = (*units[-1], phone.symbol)
        else:
            units.append((phone.symbol,))
            keys.append(phone.syllable)
    is_korean = any(key is not None for key in keys)
    pool = units + ([tuple(hangul_to_phones(text)) for text in _POOL] if is_korean else [])
    positions = _word_starts(expected)
    rng = np.random.default_rng(0)
    decoys = []
    for _ in range(DRAWN):
        picked = rng.integers(0, len(pool), len(units))
        decoy: list[str] = []
        for number, index in enumerate(picked):
            if number in positions and decoy:
                decoy.append(WORD_BOUNDARY)
            decoy += pool[index]
        decoys.append(tuple(decoy))
    size = len(expected.symbols)
    return sorted(decoys, key=lambda decoy: abs(len(decoy) - size))[:DECOYS]


def _word_starts(expected: Expected) -> set[int]:
    """The units that follow a word boundary."""
    starts: set[int] = set()
    number = -1
    last: int | None = None
    for phone in expected.phones:
        if phone.syllable is None or phone.syllable != last:
            number += 1
        last = phone.syllable
        if phone.at and expected.symbols[phone.at - 1] == WORD_BOUNDARY:
            starts.add(number)
    return starts


def log_likelihoods(
    log_probabilities: LogProbabilities, sequences: Sequence[Sequence[int]], blank: int
) -> list[float]:
    """Natural logarithm of the probability of each of several sequences of labels; -inf for an impossible one."""
    longest = max(len(sequence) for sequence in sequences)
    labels = np.full((len(sequences), longest), blank)
    may_skip = np.zeros(labels.shape, dtype=np.bool_)
    in_symbol = np.full(labels.shape, -np.inf)
    in_blank = np.full((len(sequences), longest + 1), -np.inf)
    for row, sequence in enumerate(sequences):  # all end in the last column
        part = np.asarray(sequence, dtype=np.int64)
        begin = longest - len(part)
        labels[row, begin:] = part
        may_skip[row, begin + 1 :] = part[1:] != part[:-1]
        in_blank[row, begin] = 0.0
    for frame in np.asarray(log_probabilities, dtype=np.float64):
        check_stop()
        # A blank is entered from itself or the symbol before it; a symbol that may be entered directly from the one
        # before it is entered from the same two states. So one sum serves both.
        entered = in_blank.copy()
        entered[:, 1:] = np.logaddexp(in_blank[:, 1:], in_symbol)
        before: Float64 = np.where(may_skip, entered[:, :-1], in_blank[:, :-1])
        in_symbol = np.logaddexp(in_symbol, before) + frame[labels]
        in_blank = entered + frame[blank]
    if longest == 0:
        return [float(value) for value in in_blank[:, 0]]
    return [float(value) for value in np.logaddexp(in_blank[:, -1], in_symbol[:, -1])]
