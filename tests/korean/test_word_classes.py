"""The table is read as a whole, and the members of a class have the letters that its article requires."""

import pytest

from soritune.korean.hangul import CODAS, ONSETS, coda_of, onset_of
from soritune.korean.word_classes import word_class


def codas(name):
    return {CODAS[coda_of(word[-1])] for word in word_class(name)}


def test_class_of_several_lines_is_merged():
    # The first and the last words of the four lines of the table.
    assert {"가다듬", "넓", "넘", "붉", "뿜", "옭", "옮", "훑"} <= word_class("tensing_stem")


def test_classes_are_separate():
    assert "알" in word_class("lateral_stem")
    assert "알" not in word_class("tensing_stem")


def test_unknown_class_is_refused():
    with pytest.raises(KeyError):
        word_class("no_such_class")


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("tensing_stem", "ㄴㅁㄵㄻㄼㄾㄺ"),  # articles 24, 25, and 11 for ㄺ
        ("causative_stem", "ㄴㅁㄻ"),  # the proviso of article 24 names 안기다, 감기다, 굶기다, 옮기다
        ("lateral_stem", "ㄹ"),
        ("sino_lateral", "ㄹ"),  # article 26
        ("native_lateral", "ㄹ"),
        ("future_syllable", "ㄹ"),  # article 27
    ],
)
def test_members_end_in_the_codas_of_the_article(name, letters):
    assert codas(name) <= set(letters)


def test_dental_syllables_of_article_26_begin_with_a_dental():
    assert {ONSETS[onset_of(word[0])] for word in word_class("sino_dental")} == set("ㄷㅅㅈ")


def test_nouns_in_ui_end_in_ui():
    assert {word[-1] for word in word_class("noun_in_ui")} == {"의"}
