from __future__ import annotations

from typing import Any

import pytest

from soritune.cli.assessment_lines import WORDS, Language, answer_lines, closing_lines, columns_line


def phone(letter: str, kind: str = "correct", **values: Any) -> dict[str, Any]:
    return {
        "letter": letter,
        "ipa": "x",
        "position": "onset",
        "kind": kind,
        "recognised": None,
        "recognised_letter": None,
    } | values


def word(text: str, *phones: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {
        "text": text,
        "kind": "heard",
        "variant": None,
        "start_s": 0.5,
        "end_s": 1.0,
        "syllables": [{"phones": list(phones)}],
    } | values


def answer(*words: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {
        "id": "a.wav",
        "assessable": True,
        "warnings": [],
        "words": list(words),
        "insertions": [],
        "advice": None,
    } | values


REFUSED = {
    "id": "b.wav",
    "assessable": False,
    "outcome": "too-quiet",
    "warnings": [{"code": "x", "ko": "주의", "en": "careful"}],
    "reason_text": {"ko": "소리가 작습니다", "en": "it is quiet"},
}


def texts(given: dict[str, Any], language: Language) -> list[str]:
    return [line for line, _ in answer_lines(given, language)]


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["ko"].keys() == WORDS["en"].keys()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_lines_are_in_one_language(language: Language) -> None:
    given = answer(
        word("우리", phone("ㅜ")),
        word("같이", phone("ㄱ", "deletion"), phone("ㅏ", "deletion"), kind="not-heard"),
        word("네가", phone("ㄴ"), variant={"word": "니가", "reason": "입말"}),
        word("달", phone("ㄷ", "unclear"), phone("ㄹ", "deletion", position="coda")),
        insertions=[{"at_s": 1.5, "letter": "ㅡ"}],
        advice={"ko": "천천히", "en": "slowly"},
    )
    lines = texts(given, language)
    expected = {
        "en": [
            "ok",
            "the word was not heard",
            "as 니가",
            "ㄷ unclear; final ㄹ not heard",
            "inserted ㅡ",
            "slowly",
        ],
        "ko": [
            "맞음",
            "낱말이 들리지 않음",
            "니가(으)로 읽음",
            "ㄷ 불분명; 받침 ㄹ 들리지 않음",
            "ㅡ 덧붙음",
            "천천히",
        ],
    }[language]
    assert lines[0] == "a.wav"
    assert [line.endswith(end) for line, end in zip(lines[1:], expected, strict=True)] == [True] * 6, lines
    assert (
        texts(REFUSED, language)[1:]
        == {
            "en": ["  careful", "  not assessable (too-quiet): it is quiet"],
            "ko": ["  주의", "  평가하지 못함(too-quiet): 소리가 작습니다"],
        }[language]
    )


def test_two_sounds_of_one_letter_are_told_apart() -> None:
    lateral = phone("ㄹ", "substitution", ipa="ɾ", recognised="L", recognised_letter="ㄹ")
    assert texts(answer(word("별로", lateral)), "en")[1].endswith("ㄹ [ɾ] → ㄹ [l]")


def test_end_lists_what_was_not_assessed() -> None:
    lines = [line for line, _ in closing_lines(3, [REFUSED], "en")]
    assert lines == [
        "2 of 3 recordings assessed",
        "not assessed:",
        "  b.wav: not assessable (too-quiet): it is quiet",
    ]
    assert list(closing_lines(1, [REFUSED], "en")) == []


def test_columns_that_are_not_used_are_named() -> None:
    line = columns_line("명단.csv", {"학생": "speaker", "파일": "audio"}, ["비고"], "en")
    assert line == "명단.csv: columns 학생 → speaker, 파일 → audio; not used: 비고"
    assert "쓰지 않은" not in columns_line("명단.csv", {"파일": "audio"}, [], "ko")
