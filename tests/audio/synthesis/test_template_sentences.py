"""The words of the small synthetic corpus: grammar by hand, and every phone among them."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.synthesis import template_sentences
from soritune.audio.synthesis.template_sentences import particle, sentences, words
from soritune.errors import SorituneError
from soritune.korean import PHONES, phonemize


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
    monkeypatch.setattr(template_sentences, "TEMPLATES", (("manner", "verb"),))
    with pytest.raises(
        SorituneError, match="only about [0-9]+ different sentences can be made, 500 were asked"
    ):
        sentences(500, np.random.default_rng(0))
