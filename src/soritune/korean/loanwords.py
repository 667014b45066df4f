"""English phones as a Korean ear writes them down: which Korean phone each is nearest to.

The correspondences are those of the national rules for loanwords (외래어 표기법, chapter 2 table 1 and chapter 3
section 1, National Institute of Korean Language), where f is ㅍ, v ㅂ, th ㅅ, z ㅈ and a schwa ㅓ. Left out is what the
rules add for the eye: no ㅡ or ㅣ is written after a consonant, since nobody said one.
"""

from __future__ import annotations

from collections.abc import Sequence

VOWELS = {
    "aa": ("A",),
    "ae": ("E",),
    "ah": ("EO",),
    "ao": ("O",),
    "aw": ("A", "U"),
    "ay": ("A", "I"),
    "eh": ("E",),
    "er": ("EO",),
    "ey": ("E", "I"),
    "ih": ("I",),
    "iy": ("I",),
    "ow": ("O",),
    "oy": ("O", "I"),
    "uh": ("U",),
    "uw": ("U",),
}
CONSONANTS = {
    "b": "B",
    "ch": "CHh",
    "d": "D",
    "dh": "D",
    "f": "Ph",
    "g": "G",
    "hh": "H",
    "jh": "J",
    "k": "Kh",
    "m": "M",
    "n": "N",
    "ng": "NG",
    "p": "Ph",
    "s": "S",
    "sh": "S",
    "t": "Th",
    "th": "S",
    "v": "B",
    "z": "J",
    "zh": "J",
}
GLIDED = {
    "w": {
        "aa": "oA", "ae": "oE", "ah": "uEO", "ao": "uEO", "aw": "oA", "ay": "oA", "eh": "oE", "er": "uEO",
        "ey": "oE", "ih": "uI", "iy": "uI", "ow": "uEO",
    },
    "y": {
        "aa": "iA", "ae": "iE", "ah": "iEO", "ao": "iO", "eh": "iE", "er": "iEO", "ey": "iE", "ow": "iO",
        "uh": "iU", "uw": "iU",
    },
}  # fmt: skip
"""Glide → vowel after it → the diphthong that both are."""
_ALONE = {"w": "U", "y": "I"}
_SONORANTS = ("l", "r", "w", "y")


def english_as_korean(phones: Sequence[str]) -> tuple[str, ...]:
    """Korean phones (`KOREAN`) of English ones (ARPAbet in lower case, without stress), without word boundaries.

    Voiceless stops that no vowel or sonorant follows are the codas k, t, p; r is heard before a vowel only; l between
    vowels is ㄹㄹ.

    Raises:
        KeyError: a symbol that is no phone of ARPAbet.
    """
    found: list[str] = []
    before: str | None = None
    index = 0
    while index < len(phones):
        phone = phones[index]
        after = phones[index + 1] if index + 1 < len(phones) else None
        if phone in GLIDED and after in GLIDED[phone]:
            found += [GLIDED[phone][after], *VOWELS[after][1:]]
            phone = after
            index += 1
        else:
            found += _korean(before, phone, after)
        before = phone
        index += 1
    return tuple(found)


def _korean(before: str | None, phone: str, after: str | None) -> tuple[str, ...]:
    voiced = after in VOWELS or after in _SONORANTS
    if phone in VOWELS:
        return VOWELS[phone]
    if phone in _ALONE:
        return (_ALONE[phone],)
    if phone == "r":
        return ("R",) if after in VOWELS or after in GLIDED else ()
    if phone == "l":
        if after not in VOWELS:
            return ("L",)
        return ("R",) if before is None else ("L", "L")
    if phone in ("k", "t", "p") and not voiced:
        return (phone,)
    return (CONSONANTS[phone],)
