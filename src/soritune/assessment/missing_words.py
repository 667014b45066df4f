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
    `phone_log_probability`, as for a phone. The least probable word is taken out first, and the words near it are
    compared again without it. One word always remains.

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
        missing.add(worst)
        other = expected.without(missing).ids(labels)
        path = aligned_anew(given, current, other, path, blank)
        current = other
        at = left.index(worst)
        for word in left[max(0, at - CONTEXT) : at + CONTEXT + 1]:
            gains.pop(word, None)
        left.pop(at)
    return frozenset(missing), path
