"""Korean phones in espeak-ng's phonemes, so that the speech agrees with its label. Next: `audio/synthesis/espeak.py`.

espeak-ng's own reading of Hangul departs from the standard pronunciation (docs/synthetic-speech.md). It
receives phonemes in `[[…]]` instead. The phoneme of a phone depends on its neighbours (a lax stop is voiced
between voiced sounds, ㅅ is palatal before ㅣ) and on the speaker (`Accent`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soritune.audio.synthesis.espeak import Sound
from soritune.korean.phones import WORD_BOUNDARY

_VOWELS = {"A": "a", "EO": "@", "O": "o", "U": "u", "EU": "u-", "I": "i", "E": "E"}
_VOWELS |= {"iA": "j a", "iEO": "j @", "iO": "j o", "iU": "j u", "iE": "j E"}
_VOWELS |= {"oA": "w a", "oE": "w E", "uEO": "w @", "uI": "w i", "euI": "u- j"}
_BEFORE_I = ("I", "iA", "iEO", "iO", "iU", "iE", "uI")
_VOICED = (*_VOWELS, "N", "M", "NG", "L", "R")
_SYLLABIC = ("a", "@", "o", "u", "u-", "i", "E", "e", "j", "w", ";")
_LAX = {"G": ("k", "g"), "D": ("t", "d"), "B": ("p", "b"), "J": ("tS;", "dZ;")}
"""Voiceless, as after a pause, and voiced, as between voiced sounds."""
_PLAIN = {"GG": "q-", "DD": "t-", "BB": "p-", "JJ": "tS;-", "N": "n", "M": "m", "NG": "N", "R": "*", "L": "l"}
_CODA = {"k": "q", "t": "t-", "p": "p-"}
_ASPIRATED = {"Kh": "kh", "Th": "t h", "Ph": "ph", "CHh": "tS; h"}
_TENSE = ("GG", "DD", "BB", "JJ")
_HOLD = "_|"
"""espeak-ng's shortest pause."""
_HIGH = ("GG", "DD", "BB", "JJ", "SS", "Kh", "Th", "Ph", "CHh", "S", "H")
"""Onsets after which a phrase begins high in Seoul Korean (Jun 1998)."""


@dataclass(frozen=True, slots=True)
class Accent:
    """The variants of a speaker where the standard pronunciation permits several."""

    front: str = "E"
    """espeak-ng's vowel of ㅐ and ㅔ: E (open) or e."""
    lax_voiced_first: bool = False
    """Whether lax stops are also voiced at the beginning of a phrase."""
    linked: float = 0.6
    """Share of lax stops at the beginning of a word that are voiced after a voiced sound."""
    breathy_s: bool = True
    """Whether ㅅ has an h after it, unlike ㅆ; not before ㅣ."""
    breathy: float = 0.5
    """Share of ㅋ and ㅍ with another h."""
    first_liquid: str = "*"
    """The phoneme of ㄹ after a pause: * (tap) or l. Inside a phrase, l is the coda."""
    gliding: str = "u- i"
    """The phonemes of ㅢ: two vowels, or a vowel with a glide."""
    accented: float = 0.8
    """Share of words with a stressed syllable."""
    held: float = 0.5
    """Share of tense stops after a vowel that are held longer."""
    release_db: float = -20.0
    """Level of the release of stop codas relative to espeak-ng's. People hardly release them."""


def draw_accent(rng: np.random.Generator) -> Accent:
    """Draws the accent of a speaker."""
    shares = rng.random(10)
    return Accent(
        front="E" if shares[0] < 0.5 else "e",
        lax_voiced_first=bool(shares[1] < 0.25),
        linked=float(0.2 + 0.8 * shares[2]),
        breathy_s=bool(shares[3] < 0.6),
        breathy=float(shares[4]),
        first_liquid="*" if shares[5] < 0.8 else "l",
        accented=float(0.5 + 0.5 * shares[6]),
        gliding="u- i" if shares[7] < 0.7 else "u- j",
        held=float(shares[8]),
        release_db=float(-40 * shares[9]),
    )


def in_phonemes(
    phrases: Sequence[Sequence[str]], accent: Accent, rng: np.random.Generator, ending: str = "."
) -> str:
    """The text for `Synthesizer.speak_as` that is spoken as these phones.

    Args:
        phrases: phones with `|` between words; a pause separates two phrases.
        accent: of the speaker.
        rng: for the variants that the accent gives as shares.
        ending: . or ?, which determines the melody.
    """
    clauses = []
    for number, phrase in enumerate(phrases):
        mark = ending if number == len(phrases) - 1 else ","
        clauses.append("[[" + " ".join(_words(phrase, accent, rng)) + "]]" + mark)
    return " ".join(clauses)


def stop_codas(sounds: Sequence[Sound]) -> list[tuple[float, float]]:
    """Start and end in seconds of the releases of stop codas in an utterance."""
    names = [sound.name.strip("',%=") for sound in sounds]
    return [
        (sounds[index].start_s, sounds[index + 1].start_s)
        for index in range(len(names) - 1)
        if names[index] in _CODA.values() and names[index + 1] not in _SYLLABIC
    ]


def _words(phrase: Sequence[str], accent: Accent, rng: np.random.Generator) -> list[str]:
    """The words of a phrase in phonemes. The phonemes of a word are separated by |, so that espeak-ng joins none."""
    words: list[str] = []
    word: list[str] = []
    stressed = _stress(phrase, 0, accent, rng)
    syllable = 0
    for index, phone in enumerate(phrase):
        if phone == WORD_BOUNDARY:
            words.append("|".join(word))
            word, syllable = [], 0
            stressed = _stress(phrase, index + 1, accent, rng)
            continue
        if phone in _VOWELS:
            if syllable == stressed:
                word.append("'")
            syllable += 1
        word += _sounds(phrase, index, accent, rng)
    words.append("|".join(word))
    return [word for word in words if word]


def _stress(phrase: Sequence[str], start: int, accent: Accent, rng: np.random.Generator) -> int:
    """Index of the stressed syllable in the word that begins at `start`; -1 if the word has no stress."""
    if rng.random() >= accent.accented or start >= len(phrase):
        return -1
    return 0 if phrase[start] in _HIGH else 1 if rng.random() < 0.7 else 0


def _sounds(phrase: Sequence[str], index: int, accent: Accent, rng: np.random.Generator) -> list[str]:
    """The phonemes of the phone `phrase[index]`."""
    phone = phrase[index]
    before = phrase[index - 1] if index else ""
    after = phrase[index + 1] if index + 1 < len(phrase) else ""
    if phone in _VOWELS:
        vowel = accent.gliding if phone == "euI" else _VOWELS[phone].replace("E", accent.front)
        return vowel.split()
    if phone in _CODA:
        return [_CODA[phone]]
    if phone in _LAX:
        voiceless, voiced = _LAX[phone]
        if before == "":
            return [voiced if accent.lax_voiced_first else voiceless]
        if before == WORD_BOUNDARY:
            linked = phrase[index - 2] in _VOICED and rng.random() < accent.linked
            return [voiced if linked or accent.lax_voiced_first else voiceless]
        return [voiced if before in _VOICED else voiceless]
    if phone in ("S", "SS"):
        sound = "S;" if after in _BEFORE_I else "s"
        if phone == "SS":
            return [sound, sound]
        return [sound, "h"] if accent.breathy_s and sound == "s" else [sound]
    if phone == "H":
        return ["C"] if after in _BEFORE_I[:-1] and rng.random() < 0.5 else ["h"]
    if phone in _ASPIRATED:
        aspirated = _ASPIRATED[phone].split()
        more = len(aspirated) == 1 and rng.random() < accent.breathy
        return [*aspirated, "h"] if more else aspirated
    if phone == "R" and before == "":
        return [accent.first_liquid]
    if phone in _TENSE and before in _VOWELS and rng.random() < accent.held:
        return [_HOLD, _PLAIN[phone]]
    return [_PLAIN[phone]]
