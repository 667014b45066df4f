"""Korean phones in espeak-ng's phonemes, so that it says what the label says. Next: `synthesis/factory.py`.

espeak-ng's own reading of Hangul departs from the standard (docs/synthetic-speech.md), so it is not asked to read:
it gets the phonemes themselves, in `[[…]]`. Which of its phonemes stands for a phone depends on what is around it (a
lax stop is voiced between voiced sounds, ㅅ is palatal before ㅣ) and on the speaker (`Accent`).
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
    """How one speaker says what the standard leaves open."""

    front: str = "E"
    """espeak-ng's vowel for ㅐ and ㅔ: E (open) or e."""
    lax_voiced_first: bool = False
    """Whether lax stops are voiced at the beginning of a phrase too."""
    linked: float = 0.6
    """How often a lax stop that begins a word is voiced after a voiced sound."""
    breathy_s: bool = True
    """Whether ㅅ before other vowels than ㅣ has an h after it, as against ㅆ."""
    breathy: float = 0.5
    """How often ㅋ and ㅍ have one more h."""
    first_liquid: str = "*"
    """What a ㄹ after a pause is: * (tap) or l; inside a phrase l is the coda."""
    gliding: str = "u- i"
    """ㅢ: two vowels, or a vowel with a glide."""
    accented: float = 0.8
    """How often a word has a stressed syllable."""
    held: float = 0.5
    """How often a tense stop after a vowel is held longer."""
    release_db: float = -20.0
    """Level of the release of stop codas, against what espeak-ng makes of it; in speech there is hardly any."""


def draw_accent(rng: np.random.Generator) -> Accent:
    """An accent."""
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
    """What `Synthesizer.speak_as` says as these phones.

    Args:
        phrases: phones with `|` between words; a pause comes between two phrases.
        accent: the speaker's.
        rng: for what is left to chance within an accent.
        ending: . or ?, which gives the melody.
    """
    said = []
    for number, phrase in enumerate(phrases):
        mark = ending if number == len(phrases) - 1 else ","
        said.append("[[" + " ".join(_words(phrase, accent, rng)) + "]]" + mark)
    return " ".join(said)


def stop_codas(sounds: Sequence[Sound]) -> list[tuple[float, float]]:
    """Where the releases of stop codas begin and end in what was spoken, in seconds."""
    names = [sound.name.strip("',%=") for sound in sounds]
    return [
        (sounds[place].start_s, sounds[place + 1].start_s)
        for place in range(len(names) - 1)
        if names[place] in _CODA.values() and names[place + 1] not in _SYLLABIC
    ]


def _words(phrase: Sequence[str], accent: Accent, rng: np.random.Generator) -> list[str]:
    """The words of a phrase in phonemes, those of a word joined by | so that none is read together."""
    found: list[str] = []
    word: list[str] = []
    stressed = _stress(phrase, 0, accent, rng)
    syllable = 0
    for place, phone in enumerate(phrase):
        if phone == WORD_BOUNDARY:
            found.append("|".join(word))
            word, syllable = [], 0
            stressed = _stress(phrase, place + 1, accent, rng)
            continue
        before = phrase[place - 1] if place else ""
        after = phrase[place + 1] if place + 1 < len(phrase) else ""
        if phone in _VOWELS:
            if syllable == stressed:
                word.append("'")
            syllable += 1
        word += _sounds(phone, before, after, place, phrase, accent, rng)
    found.append("|".join(word))
    return [said for said in found if said]


def _stress(phrase: Sequence[str], start: int, accent: Accent, rng: np.random.Generator) -> int:
    """Which syllable of the word that begins at `start` is stressed; -1 for none."""
    if rng.random() >= accent.accented or start >= len(phrase):
        return -1
    return 0 if phrase[start] in _HIGH else 1 if rng.random() < 0.7 else 0


def _sounds(
    phone: str,
    before: str,
    after: str,
    place: int,
    phrase: Sequence[str],
    accent: Accent,
    rng: np.random.Generator,
) -> list[str]:
    """One phone in phonemes."""
    if phone in _VOWELS:
        said = accent.gliding if phone == "euI" else _VOWELS[phone].replace("E", accent.front)
        return said.split()
    if phone in _CODA:
        return [_CODA[phone]]
    if phone in _LAX:
        voiceless, voiced = _LAX[phone]
        if before == "":
            return [voiced if accent.lax_voiced_first else voiceless]
        if before == WORD_BOUNDARY:
            linked = phrase[place - 2] in _VOICED and rng.random() < accent.linked
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
