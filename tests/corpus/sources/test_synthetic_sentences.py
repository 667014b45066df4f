"""The words of the synthetic corpus: grammar by hand, and espeak-ng's speech against the project's G2P."""

from __future__ import annotations

import re

import numpy as np
import pytest

from soritune.corpus.sources import synthetic_sentences
from soritune.corpus.sources.synthetic_sentences import particle, sentences, words
from soritune.errors import SorituneError
from soritune.korean import PHONES, phonemize

# espeak-ng's phoneme names → the project's phones: as an onset, and as a coda where that is another phone.
ONSETS = {
    "p": "B", "b": "B", "d": "D", "g": "G", "q": "G", "kh": "Kh", "th": "Th", "ph": "Ph",
    "q-": "GG", "k-": "GG", "t-": "DD", "p-": "BB", "s": "S", "s-": "SS", "tS;": "J", "dZ;": "J",
    "tSh": "CHh", "tS;h": "CHh", "tS;-": "JJ", "m": "M", "n": "N", "*": "R", "h": "H",
}  # fmt: skip
CODAS = {
    "p": "p",
    "t": "t",
    "t-": "t",
    "d-": "t",
    "k": "k",
    "q": "k",
    "m": "M",
    "n": "N",
    "N": "NG",
    "L": "L",
}
VOWELS = {"a": "A", "@": "EO", "o": "O", "u": "U", "u-": "EU", "i": "I", "e": "E", "E": "E"}
GLIDES = {
    "jA": "iA", "jEO": "iEO", "jO": "iO", "jU": "iU", "jE": "iE", "wA": "oA", "wE": "oE", "wEO": "uEO",
    "wI": "uI",
}  # fmt: skip


def spoken(names: str) -> list[str]:
    """The project's phones for espeak-ng's names of one word."""
    text = re.sub(r"[',](?=[a-zA-Z@*])", "", names).replace("_;_", "_")
    symbols = re.sub(r"(tS;?|t|k|p)_h(?=_|$)", r"\1h", text).split("_")
    found: list[str] = []
    glide = ""
    for symbol, following in zip(symbols, [*symbols[1:], ""], strict=True):
        before_vowel = following in VOWELS or following in ("j", "w")
        if symbol == "j" and found and found[-1] == "EU":
            found[-1] = "euI"  # espeak-ng's ㅢ is u- and a glide
        elif symbol in ("j", "w"):
            glide = symbol
        elif symbol in VOWELS:
            # After a palatal there is no glide to hear (져 is 저), as in the standard pronunciation.
            palatal = glide == "j" and bool(found) and found[-1] in ("J", "JJ", "CHh")
            vowel = VOWELS[symbol]
            found.append(vowel if not glide or palatal else GLIDES[glide + vowel])
            glide = ""
        elif symbol in CODAS and (not before_vowel or symbol in ("N", "L")):
            found.append(CODAS[symbol])
        else:
            found.append(ONSETS[symbol])
    return found


def test_espeak_says_what_the_labels_will_say() -> None:
    pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
    from soritune.audio.synthesize import Synthesizer

    synthesizer = Synthesizer()
    differing = {}
    for word in words():
        ours, theirs = phonemize(word), spoken(synthesizer.phonemes(word))
        if ours != theirs:
            differing[word] = (ours, theirs)
    assert differing == {}


def test_the_words_cover_every_phone() -> None:
    assert set(PHONES) - {phone for word in words() for phone in phonemize(word)} == set()


def test_particles_by_hand() -> None:
    assert [particle(word, "을", "를") for word in ("책", "나무", "쌀", "귀")] == [
        "책을",
        "나무를",
        "쌀을",
        "귀를",
    ]


def test_sentences_differ_and_follow_from_the_generator() -> None:
    found = sentences(500, np.random.default_rng(0))
    assert len(set(found)) == 500
    assert found == sentences(500, np.random.default_rng(0))
    assert {len(sentence.split()) for sentence in found} == {2, 3, 4, 5}
    known = set(words())
    assert all(word in known for sentence in found for word in sentence.split())


def test_more_sentences_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_sentences, "TEMPLATES", (("manner", "verb"),))
    with pytest.raises(
        SorituneError, match="only about [0-9]+ different sentences can be made, 500 were asked"
    ):
        sentences(500, np.random.default_rng(0))
