"""Sentences of the small synthetic corpus: particles by hand, and every phone among the words."""

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


def test_sentences_are_distinct_and_depend_only_on_the_generator() -> None:
    drawn = sentences(500, np.random.default_rng(0))
    assert len(set(drawn)) == 500
    assert drawn == sentences(500, np.random.default_rng(0))
    assert {len(sentence.split()) for sentence in drawn} == {2, 3, 4, 5}
    known = set(words())
    assert all(word in known for sentence in drawn for word in sentence.split())


def test_request_for_more_sentences_than_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_sentences, "TEMPLATES", (("manner", "verb"),))
    with pytest.raises(
        SorituneError, match="only about [0-9]+ different sentences exist, but 500 are requested"
    ):
        sentences(500, np.random.default_rng(0))
