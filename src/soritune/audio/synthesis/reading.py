"""From a text to its pronunciation: phones, phrase by phrase, with drawn pauses.

Next: `audio/synthesis/confusions.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soritune.korean.g2p import Boundary, Pronouncer, pronouncer
from soritune.korean.normalization import marked_phrases
from soritune.korean.phones import WORD_BOUNDARY, hangul_to_phones

_MOST_WORDS = 8
"""Longest phrase in words; longer ones are divided. espeak-ng accepts clauses of at most 800 letters."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The pronunciation of a text."""

    pronounced: tuple[str, ...]
    """The phrases between pauses, in pronounced Hangul."""
    phrases: tuple[tuple[str, ...], ...]
    """The same in phones, with `|` between words."""

    @property
    def phones(self) -> tuple[str, ...]:
        """The phones of all phrases in one sequence, with `|` between words."""
        return in_one_sequence(self.phrases)

    @property
    def num_syllables(self) -> int:
        """Syllables of all phrases."""
        return sum(len(phrase.replace(" ", "")) for phrase in self.pronounced)


def in_one_sequence(phrases: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The phones of all phrases, with `|` between two phrases."""
    phones: list[str] = []
    for phrase in phrases:
        phones += [WORD_BOUNDARY, *phrase] if phones else phrase
    return tuple(phones)


def draw_reading(text: str, rng: np.random.Generator, pauses: float, linked: float) -> Reading:
    """Draws a reading of a text.

    Pronunciation rules apply across a space if the speaker links words and makes no pause there. The tagger
    is not used, so that the same seed gives the same phones on every machine.

    Args:
        text: any Korean text.
        rng: for pauses and linking.
        pauses: share of spaces without punctuation at which there is a pause.
        linked: probability that words are linked.
    """
    reader: Pronouncer = pronouncer("none")
    boundary: Boundary = "phrase" if rng.random() < linked else "word"
    pronounced = [
        reader.pronounce_phrases([chunk], boundary)
        for phrase in marked_phrases(text)
        for chunk in _chunks(phrase.split(), rng, pauses)
    ]
    pronounced = [chunk for chunk in pronounced if chunk]
    return Reading(tuple(pronounced), tuple(tuple(hangul_to_phones(chunk)) for chunk in pronounced))


def _chunks(words: list[str], rng: np.random.Generator, pauses: float) -> list[str]:
    """The words of a phrase, divided at drawn pauses."""
    chunks: list[list[str]] = []
    breaks = rng.random(len(words)) < pauses
    for word, broken in zip(words, breaks, strict=True):
        if not chunks or broken or len(chunks[-1]) == _MOST_WORDS:
            chunks.append([])
        chunks[-1].append(word)
    return [" ".join(chunk) for chunk in chunks]
