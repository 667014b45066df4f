from __future__ import annotations

import itertools

import pytest

from soritune.korean import hangul_to_phones, phonemize, pronounced_readings, variants, written_words

TEXTS = [
    "국물이 맛있다", "민주주의의 의의", "김밥과 효과", "옷 한 벌 주세요", "되어 갔다", "밟고 읽고 값이",
    "희망을 갖다", "신라와 칼날", "꽃 아래 앉아서, 책을 읽었다.", "할 수 있는 일을 하세요",
    "3시에 10명이 만나요", "좋은 날", "없었어요",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_principal_form_equals_the_g2p(text: str) -> None:
    phones = pronounced_readings(text)[0].phones()
    assert [phone.symbol for phone in phones] == [
        symbol for symbol in phonemize(text, boundary="word") if symbol != "|"
    ]


@pytest.mark.parametrize(
    "text", ["주의", "깃발", "김밥", "꽃 아래", "되어", "나라의 시", "못 읽어", "열일곱"]
)
@pytest.mark.parametrize("boundary", ["word", "phrase"])
def test_every_accepted_form_of_the_g2p_is_a_combination_of_choices(text: str, boundary: str) -> None:
    reading = pronounced_readings(text)[0]
    forms = {
        tuple(phone.symbol for phone in reading.phones(dict(enumerate(picks))))
        for picks in itertools.product(*(range(choice.count) for choice in reading.choices))
    }
    for form in variants(text, boundary=boundary):  # type: ignore[arg-type]
        assert tuple(symbol for symbol in hangul_to_phones(form) if symbol != "|") in forms, form


def placed(text: str) -> list[tuple[str, str, str, tuple[str, ...]]]:
    reading = pronounced_readings(text)[0]
    return [
        (phone.letter, phone.position, reading.syllables[phone.syllable][0], phone.articles)
        for phone in reading.phones()
    ]


def test_articles_stand_at_the_phones_that_they_change() -> None:
    assert placed("국물") == [
        ("ㄱ", "onset", "국", ()),
        ("ㅜ", "vowel", "국", ()),
        ("ㅇ", "coda", "국", ("18",)),
        ("ㅁ", "onset", "물", ()),
        ("ㅜ", "vowel", "물", ()),
        ("ㄹ", "coda", "물", ()),
    ]
    assert placed("밭이")[2:4] == [("ㅊ", "onset", "이", ("17",)), ("ㅣ", "vowel", "이", ())]
    assert placed("옷도")[1:3] == [("ㄷ", "coda", "옷", ("9",)), ("ㄸ", "onset", "도", ("23",))]
    assert placed("희망")[1] == ("ㅣ", "vowel", "희", ("5",))


def test_coda_that_moves_belongs_to_the_next_syllable() -> None:
    assert [(letter, syllable) for letter, _, syllable, _ in placed("옷이")] == [
        ("ㅗ", "옷"),
        ("ㅅ", "이"),
        ("ㅣ", "이"),
    ]


def test_lateral_over_a_space() -> None:
    reading = pronounced_readings("칼 날")[0]
    forms = [
        [phone.symbol for phone in reading.phones({0: pick})] for pick in range(reading.choices[0].count)
    ]
    assert ["Kh", "A", "L", "N", "A", "L"] in forms
    assert ["Kh", "A", "L", "L", "A", "L"] in forms


def test_readings_of_a_number() -> None:
    assert [reading.words for reading in pronounced_readings("3번")] == [["세번"], ["삼번"]]


def test_nothing_to_read() -> None:
    assert pronounced_readings("...") == []


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("오늘은, 3시에!", ["오늘은", "세시에"], ["오늘은,", "3시에!"]),
        ("약 50kg 정도", ["약", "오십", "킬로그램", "정도"], ["약", "50kg", "50kg", "정도"]),
        ("", ["가"], [""]),
    ],
)
def test_written_words(text: str, words: list[str], expected: list[str]) -> None:
    assert written_words(text, words) == expected
