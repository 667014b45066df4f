"""The output of a recogniser that is nearly sure, made from the symbols that it recognises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.assessment.answer import PhoneOutput
from soritune.assessment.timing import FrameTimes
from soritune.korean import KOREAN, WORD_BOUNDARY, phonemize

FIRST = ("[PAD]", "[UNK]", WORD_BOUNDARY, *KOREAN.symbols, "<s>", "</s>")
"""Labels with the blank in front."""
LAST = (*KOREAN.symbols, WORD_BOUNDARY, "[UNK]", "[PAD]")
"""Labels with the blank at the end."""
STEP = 5
"""Frames per symbol, of which the third has its label."""
RATE_HZ = 50.0


def spoken(
    symbols: Sequence[str], labels: Sequence[str] = FIRST, *, pauses: dict[int, int] | None = None
) -> NDArray[np.float64]:
    """(frames, labels) log-probabilities; `pauses` has frames of blanks before a symbol."""
    blank = labels.index("[PAD]")
    rows: list[int] = []
    for number, symbol in enumerate(symbols):
        rows += [blank] * (pauses or {}).get(number, 0)
        rows += [blank, blank, labels.index(symbol), blank, blank]
    rng = np.random.default_rng(0)
    given = np.full((len(rows), len(labels)), 1e-4) * rng.uniform(0.5, 1.5, (len(rows), len(labels)))
    given[np.arange(len(rows)), rows] = 1.0
    return np.asarray(np.log(given / given.sum(axis=1, keepdims=True)))


def output_of(symbols: Sequence[str], labels: Sequence[str] = FIRST) -> PhoneOutput:
    given = spoken(symbols, labels)
    frames = FrameTimes(0.0, RATE_HZ, len(given) / RATE_HZ)
    return PhoneOutput(given, labels, labels.index("[PAD]"), frames)


def read(text: str) -> list[str]:
    """The phones of a text as a native reads it, with a pause at every space."""
    return phonemize(text, boundary="word")
