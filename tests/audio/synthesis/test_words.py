"""The word lists: read from their files in order, without repetitions, and only Hangul."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from soritune.audio.synthesis.words import nouns, words

FILE = (files("soritune.audio.synthesis") / "words.tsv").read_text(encoding="utf-8")
CLASSES = sorted({line.split("\t")[0] for line in FILE.splitlines() if line and not line.startswith("#")})


@pytest.mark.parametrize("kind", CLASSES)
def test_every_entry_of_a_class_is_read_once(kind: str) -> None:
    columns = re.findall(rf"^{kind}\t(.*)$", FILE, re.MULTILINE)
    assert set(words(kind)) == {word.replace("_", " ") for column in columns for word in column.split()}
    assert len(set(words(kind))) == len(words(kind))
    assert all(re.fullmatch(r"[가-힣ㄱ-ㅎㅏ-ㅣ0-9A-Z /]+", word) for word in words(kind))


def test_an_unknown_class_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="furniture"):
        words("furniture")


def test_nouns_come_from_the_word_lists_the_lexicon_and_the_pronunciation_rules() -> None:
    assert len(nouns()) == len(set(nouns())) > 1500
    assert nouns()[: len(words("thing"))] == words("thing")  # the order decides which word a seed draws
    assert {"나무", "담요"} <= set(nouns())
    assert not any("담요" in words(kind) for kind in CLASSES)  # [담뇨]: from the pronunciation lexicon
    assert all(re.fullmatch(r"[가-힣 ]+", word) for word in nouns())
