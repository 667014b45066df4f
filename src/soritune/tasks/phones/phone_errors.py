"""Which phones were recognised as which, as counts that add up over utterances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.korean.phones import WORD_BOUNDARY
from soritune.metrics.edit_distance import align
from soritune.tasks.notation import written_phones
from soritune.tasks.results import Pair

_WRITTEN = {phone.code: phone for name in ("arpabet", "korean") for phone in written_phones(name)}
"""By code; a code of both inventories is the Korean phone."""


def phones_of_pair(pair: Pair) -> tuple[list[str], list[str]] | None:
    """The reference phones and the recognised ones, without word boundaries; None for a row or a task without them."""
    reference, hypothesis = pair.reference.get("phones"), pair.prediction.fields.get("phones")
    if reference is None or hypothesis is None:
        return None
    return [p for p in reference if p != WORD_BOUNDARY], [p for p in hypothesis if p != WORD_BOUNDARY]


def confusion_counts(
    reference: Sequence[str], hypothesis: Sequence[str], index: Mapping[str, int]
) -> NDArray[np.float64]:
    """(phones + 1, phones + 1): rows expected, columns recognised. The last row has insertions, the last column phones
    that were not recognised.

    >>> confusion_counts(["A", "B"], ["A", "A", "B"], {"A": 0, "B": 1}).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    none = len(index)
    counts = np.zeros((none + 1, none + 1))
    for expected, recognised in align(reference, hypothesis).columns:
        row = none if expected is None else index[expected]
        counts[row, none if recognised is None else index[recognised]] += 1
    return counts


def phone_name(symbol: str) -> str:
    """A phone as people read it: the Korean letter with the symbol, or the symbol with its IPA value.

    >>> phone_name("GG"), phone_name("k"), phone_name("AA"), phone_name("x")
    ('ㄲ GG', '-ㄱ k', 'AA [ɑ]', 'x')
    """
    phone = _WRITTEN.get(symbol)
    if phone is None:
        return symbol
    if phone.letters:
        return f"{'-' if phone.jamo.startswith('-') else ''}{phone.letters} {symbol}"
    return f"{symbol} [{phone.ipa}]"
