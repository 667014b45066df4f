"""Facts from the articles of the Standard Pronunciation, worked by hand."""

import pytest

from soritune.korean.compounds import compound_marks
from soritune.korean.hangul import CODA, NO_CODA, ONSET, VOWELS
from soritune.korean.layout import Change, Line, Word, combine
from soritune.korean.morphology import analyse


def word(text):
    analysis = analyse(text)
    return Word(analysis, compound_marks(analysis))


def line(text, boundary="phrase"):
    return Line([word(part) for part in text.split()], boundary)


@pytest.mark.parametrize(
    ("text", "onset", "coda", "spelled"),
    [
        ("독립문", "ㄷ", "ㄴ", "동님문"),  # 19 and 18
        ("국물", "ㄱ", "ㄹ", "궁물"),  # 18
        ("국물", "ㄲ", "ㅁ", "꿍뭄"),  # the edges are those given by the neighbouring words
        ("값", "ㄱ", "ㅂ", "갑"),
        ("다쳐", "ㄷ", "", "다처"),  # 5
    ],
)
def test_word_is_spelled_with_the_given_edges(text, onset, coda, spelled):
    assert word(text).spell(ONSET[onset], CODA.get(coda, NO_CODA)) == spelled


def test_outcomes_are_distinct_with_the_principal_first():
    inside, end = line("깃발").outcomes()
    # 30: 깃발 is 기빨 or 긷빨.
    assert [outcome[:2] for outcome in inside] == [(NO_CODA, ONSET["ㅃ"]), (CODA["ㄷ"], ONSET["ㅃ"])]
    assert [outcome[0] for outcome in end] == [CODA["ㄹ"]]


def test_last_boundary_is_a_pause():
    ((coda, _, articles, _),) = line("값").outcomes()[-1]
    assert (coda, articles) == (CODA["ㅂ"], ("10",))


@pytest.mark.parametrize(
    ("text", "index", "vowels"),
    [
        ("의사", 0, "ㅢ"),
        ("주의", 1, "ㅢㅣ"),  # 5 proviso 4: 주의 is 주의 or 주이
        ("어머니의", 3, "ㅢㅔ"),  # 5 proviso 4: the particle 의 may be 에
        ("우리의", 2, "ㅢㅔ"),
        ("시계", 1, "ㅖㅔ"),  # 5 proviso 2
        ("차례", 1, "ㅖ"),  # 예 and 례 keep the diphthong
        ("예절", 0, "ㅖ"),
        ("되어", 1, "ㅓㅕ"),  # 22
        ("피어", 1, "ㅓㅕ"),
        ("아니오", 2, "ㅗㅛ"),
        ("시어머니", 1, "ㅓ"),  # 22 applies to predicates only
        ("먹어", 1, "ㅓ"),
    ],
)
def test_accepted_vowels_are_those_of_articles_5_and_22(text, index, vowels):
    assert "".join(VOWELS[vowel] for vowel in line(text).vowel_choices(index)) == vowels


def test_second_word_of_a_line_is_also_at_a_word_start():
    # 5 proviso 4 excepts the first syllable of a word.
    assert [VOWELS[vowel] for vowel in line("내 의견").vowel_choices(1)] == ["ㅢ"]


def test_changes_count_positions_from_the_offset_and_include_spaces():
    assert list(line("밭 아래").changes(10)) == [
        Change("15", "representative sound before a content word", 10, 13, "밭 아", "바 다", "밭 아래")
    ]


def test_change_in_the_second_word_is_counted_after_the_space():
    (change,) = line("나무 국물").changes(0)
    assert (change.start, change.end, change.before, change.word) == (3, 5, "국물", "국물")


def test_change_of_a_vowel_concerns_one_syllable():
    (change,) = line("희망").changes(0)
    assert (change.article, change.start, change.end, change.before, change.after) == ("5", 0, 1, "희", "히")


def test_word_boundary_setting_keeps_words_separate():
    assert [change.article for change in line("밭 아래", "word").changes(0)] == ["9"]


def test_line_without_changes_yields_no_change():
    assert list(line("나무 아래").changes(0)) == []


def test_combinations_are_ordered_by_the_number_of_departures():
    phrases = [[word("깃발")], [word("깃발")]]
    combinations = combine(phrases, "phrase", 64)
    assert combinations[0] == "기빨 기빨"
    assert set(combinations[1:3]) == {"긷빨 기빨", "기빨 긷빨"}
    assert combinations[3:] == ["긷빨 긷빨"]


def test_combinations_stop_at_the_limit():
    phrases = [[word("깃발")], [word("깃발")]]
    assert combine(phrases, "phrase", 2) == combine(phrases, "phrase", 64)[:2]
