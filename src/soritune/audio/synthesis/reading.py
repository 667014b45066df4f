"""From a text to what a voice says of it: phones, phrase by phrase, with pauses where this speaker makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soritune.korean import normalize
from soritune.korean.g2p import Pronouncer, pronouncer
from soritune.korean.phones import WORD_BOUNDARY, hangul_to_phones

_MOST_WORDS = 8
"""Words in a breath; longer phrases are broken. espeak-ng holds no clause of more than 800 letters."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is said of a text."""

    pronounced: tuple[str, ...]
    """The phrases between pauses, in pronounced Hangul."""
    phrases: tuple[tuple[str, ...], ...]
    """The same in phones, `|` between words."""

    @property
    def phones(self) -> tuple[str, ...]:
        """All of it in one sequence, `|` between words."""
        return in_one_sequence(self.phrases)

    @property
    def num_syllables(self) -> int:
        """Syllables."""
        return sum(len(phrase.replace(" ", "")) for phrase in self.pronounced)


def in_one_sequence(phrases: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The phones of phrases one after the other; a pause is between two words."""
    found: list[str] = []
    for phrase in phrases:
        found += [WORD_BOUNDARY, *phrase] if found else phrase
    return tuple(found)


def draw_reading(text: str, rng: np.random.Generator, pauses: float, linked: float) -> Reading:
    """One way to read a text aloud.

    Sounds change over a space where the speaker links words and makes no pause there (`pronounce`); the label follows
    what is said. The tagger is not used, so that the same seed gives the same label on every machine.

    Args:
        text: any Korean text.
        rng: for pauses and linking.
        pauses: how often there is a pause at a space without punctuation.
        linked: how often a phrase is read with its words linked.
    """
    reader: Pronouncer = pronouncer("none")
    boundary = "phrase" if rng.random() < linked else "word"
    pronounced = [
        reader.pronounce(chunk, boundary)  # type: ignore[arg-type]
        for phrase in normalize(text).split(", ")
        for chunk in _chunks(phrase.split(), rng, pauses)
    ]
    pronounced = [chunk for chunk in pronounced if chunk]
    return Reading(tuple(pronounced), tuple(tuple(hangul_to_phones(chunk)) for chunk in pronounced))


def _chunks(words: list[str], rng: np.random.Generator, pauses: float) -> list[str]:
    chunks: list[list[str]] = []
    breaks = rng.random(len(words)) < pauses
    for word, broken in zip(words, breaks, strict=True):
        if not chunks or broken or len(chunks[-1]) == _MOST_WORDS:
            chunks.append([])
        chunks[-1].append(word)
    return [" ".join(chunk) for chunk in chunks]
