"""Words of a text that were not spoken at all: the text with a word against the text without it.

A phone is judged with all the others in place. Where a whole word is missing, its phones take the place of those beside
it, and the errors would be named there. So words are looked for first, and the phones of the others are judged in the
text without those that are missing. Next: `assessment/answer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soritune.assessment.alignment import Alignment, LogProbabilities
from soritune.assessment.expected import CONTEXT, Expected, aligned_anew, gain
from soritune.assessment.limits import check_stop
from soritune.assessment.thresholds import Thresholds
from soritune.assessment.verdicts import phone_labels


def missing_words(
    expected: Expected,
    log_probabilities: LogProbabilities,
    labels: Sequence[str],
    blank: int,
    alignment: Alignment,
    thresholds: Thresholds,
) -> tuple[frozenset[int], Alignment]:
    """The words that were not spoken, and the alignment of the others.

    A word is missing if the natural logarithm of its probability, compared with that of no word in its place, is below
    `phone_log_probability`, as for a phone; if fewer phones than half of its own are recognised there; and if the words
    beside it leave less than a quarter of the time that its phones take at the pace of the recording. So a word that
    was spoken fast and with errors is there, and so is one that the model does not recognise. The least probable word
    is taken out first, and the words near it are compared again without it. One word always remains.

    Args:
        expected: of the text.
        log_probabilities: (frames, labels).
        labels: label of each column.
        blank: index of the blank.
        alignment: of the expected symbols.
        thresholds: what counts as an error.
    """
    given = np.asarray(log_probabilities, dtype=np.float64)
    left = sorted({phone.word for phone in expected.phones if phone.word is not None})
    missing = set[int]()
    gains: dict[int, float] = {}
    path, current = alignment, expected.ids(labels)
    while len(left) > 1:
        for word in left:
            if word not in gains:
                check_stop()
                other = expected.without({*missing, word}).ids(labels)
                gains[word] = gain(given, current, other, path, blank)
        worst = max(left, key=lambda word: gains[word])
        if not gains[worst] > -thresholds.phone_log_probability:
            break
        reduced = expected.without({*missing, worst})
        other = reduced.ids(labels)
        without = aligned_anew(given, current, other, path, blank)
        needed = sum(phone.word == worst for phone in expected.phones)
        is_heard = 2 * _phones_heard(given, labels, blank, reduced, without, worst) >= needed
        if is_heard or 4 * _free_phones(reduced, without, worst) >= needed:
            gains[worst] = -np.inf  # something was spoken in its place, and its phones are judged
            continue
        missing.add(worst)
        path, current = without, other
        at = left.index(worst)
        for word in left[max(0, at - CONTEXT) : at + CONTEXT + 1]:
            gains.pop(word, None)
        left.pop(at)
    return frozenset(missing), path


def _phones_heard(
    given: LogProbabilities, labels: Sequence[str], blank: int, reduced: Expected, path: Alignment, word: int
) -> int:
    """How many phones are recognised, without any text, from the word before one that was taken out to the one after
    it, beyond those that these two words need."""
    phones = reduced.phones
    before, after = _beside(reduced, word)
    near = [phone.at for phone in phones if phone.word is not None and phone.word in (before, after)]
    start = 0 if before is None else int(path.first_frames[near[0]])
    stop = len(given) if after is None else int(path.last_frames[near[-1]]) + 1
    best = given[start:stop].argmax(axis=1)
    changes = np.flatnonzero(np.diff(best, prepend=-1))
    sounds = set(phone_labels(labels)) - {blank}
    return sum(int(label) in sounds for label in best[changes]) - len(near)


def _free_phones(reduced: Expected, path: Alignment, word: int) -> float:
    """For how many phones the words beside one that was taken out leave time, at the median pace of the recording.

    0 for the first and the last word, beside which the recording may have silence.
    """
    before, after = _beside(reduced, word)
    if before is None or after is None:
        return 0.0
    places = {each: [phone.at for phone in reduced.phones if phone.word == each] for each in (before, after)}
    start, stop = int(path.last_frames[places[before][-1]]), int(path.first_frames[places[after][0]])
    starts = path.first_frames[[phone.at for phone in reduced.phones]]
    pace = float(np.median(np.diff(starts))) if len(starts) > 1 else 0.0
    return (stop - start) / max(pace, 1.0) - 2  # a word boundary is between them in any case


def _beside(reduced: Expected, word: int) -> tuple[int | None, int | None]:
    """The nearest words before and after one that was taken out."""
    words = [phone.word for phone in reduced.phones if phone.word is not None]
    before = max((each for each in words if each < word), default=None)
    return before, min((each for each in words if each > word), default=None)
