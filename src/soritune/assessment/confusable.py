"""Clusters of confusable phones: with which others a phone is compared when substitutions are restricted.

Fewer competitors make a goodness of pronunciation that follows errors of people rather than of the model (Parikh et al.
2025, arXiv 2506.02080). The Korean clusters are the three series of stops and affricates, ㅅ and ㅆ, ㄹ and ㄴ, nasals,
codas, and neighbouring vowels, which are the subjects of pronunciation courses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CLUSTERS = (
    ("G", "GG", "Kh"),
    ("D", "DD", "Th"),
    ("B", "BB", "Ph"),
    ("J", "JJ", "CHh"),
    ("S", "SS"),
    ("R", "L", "N"),
    ("N", "M", "NG"),
    ("k", "t", "p"),
    ("A", "EO", "iA"),
    ("EO", "O", "iEO", "U"),
    ("EU", "U", "I", "euI"),
    ("E", "iE", "oE", "A"),
    ("iEO", "iO"),
    ("iU", "U"),
    ("oA", "A", "O"),
    ("uEO", "EO", "O"),
    ("uI", "I", "U"),
)
"""Phones of a cluster are confusable with each other; a phone may be in several."""


def confusable(phone: str) -> frozenset[str]:
    """The phones that a phone is confused with, and itself; alone if it is in no cluster.

    >>> sorted(confusable("G"))
    ['G', 'GG', 'Kh']
    """
    return frozenset({phone}.union(*(cluster for cluster in CLUSTERS if phone in cluster)))


def allowed_substitutions(phones: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """(phones, labels) which labels are compared with each phone, for `SlotScores.goodness`."""
    allowed = np.zeros((len(phones), len(labels)), dtype=np.bool_)
    for row, phone in enumerate(phones):
        near = confusable(phone)
        allowed[row] = [label in near for label in labels]
    return allowed
