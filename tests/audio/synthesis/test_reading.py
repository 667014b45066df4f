"""Readings: linked or word by word, with drawn pauses."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.synthesis.reading import draw_reading
from soritune.korean import phonemize
from soritune.korean.counters import find_counter


def reading(text: str, pauses: float = 0.0, linked: float = 1.0):  # type: ignore[no-untyped-def]
    return draw_reading(text, np.random.default_rng(0), pauses, linked)


def test_rules_apply_across_spaces_only_if_words_are_linked() -> None:
    assert reading("밭 아래").pronounced == ("바 다래",)
    assert reading("밭 아래", linked=0.0).pronounced == ("받 아래",)
    assert reading("밭 아래", pauses=1.0).pronounced == ("받", "아래")
    assert reading("밭 아래", pauses=1.0).phones == ("B", "A", "t", "|", "A", "R", "E")


def test_punctuation_is_a_pause_and_numbers_are_pronounced() -> None:
    result = reading("네, 3시에 갑니다.")
    assert result.pronounced == ("네", "세시에 감니다")
    assert result.phones == ("N", "E", "|", "S", "E", "S", "I", "E", "|", "G", "A", "M", "N", "I", "D", "A")
    assert result.num_syllables == 7


def test_long_phrases_are_divided_without_loss() -> None:
    result = reading(" ".join(["나무"] * 20))
    assert [len(phrase.split()) for phrase in result.pronounced] == [8, 8, 4]


NUMBERS = (
    *(
        "제3권을 읽었다",
        "3대가 왔다",
        "5점 차",
        "57번길로",
        "1등과 8등",
        "7번 국도",
        "120km를 6시간 동안",
        "8월 15일",
    ),
    *(
        "6.25 전쟁",
        "3:0으로 이겼다",
        "½컵",
        "10⁶",
        "오후 3시 5분에 사과 2개",
        "010-1234-5678",
        "25℃",
        "$5만",
        "3~5개",
    ),
)


@pytest.mark.parametrize("text", NUMBERS)
@pytest.mark.parametrize(("linked", "boundary"), [(1.0, "phrase"), (0.0, "word")])
def test_numbers_get_the_phones_of_the_same_text_in_the_converter(text: str, linked: float, boundary) -> None:  # type: ignore[no-untyped-def]
    assert list(reading(text, linked=linked).phones) == phonemize(text, boundary, tagger="none")


@pytest.mark.parametrize(
    "counter", ["권", "대", "기", "점", "등", "동", "장", "시", "개", "명", "세", "층", "일", "년"]
)
def test_every_number_up_to_120_gets_the_phones_of_the_converter(counter: str) -> None:
    assert find_counter(counter) == counter
    for number in range(1, 121):
        text = f"{number}{counter}의 제{number}{counter}"
        assert list(reading(text).phones) == phonemize(text, tagger="none"), text
