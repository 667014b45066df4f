from __future__ import annotations

import pytest
from tests.assessment.made_output import FIRST, LAST, read, spoken

from soritune.assessment.alignment import viterbi
from soritune.assessment.expected import Expected, expected_of_phones, expected_of_text, is_korean_text
from soritune.assessment.timing import FrameTimes
from soritune.errors import TaskError


def expected(text: str, symbols: list[str], labels: tuple[str, ...] = FIRST) -> Expected:
    return expected_of_text(text, spoken(symbols, labels), labels, labels.index("[PAD]"))


@pytest.mark.parametrize("labels", [FIRST, LAST])
@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("주의", "주의"),  # article 5: 의 after the first syllable may be ㅣ
        ("주의", "주이"),
        ("나라의 시", "나라의 시"),  # the particle 의 may be ㅔ
        ("나라의 시", "나라에 시"),
        ("시계", "시계"),  # ㅖ may be ㅔ
        ("시계", "시게"),
        ("김밥", "김밥"),  # optional tensing
        ("김밥", "김빱"),
        ("되어", "되어"),  # article 22
        ("되어", "되여"),
        ("옷 안", "온 안"),  # no accepted form: the standard one is expected
    ],
)
def test_accepted_form_that_was_spoken_is_expected(text: str, form: str, labels: tuple[str, ...]) -> None:
    from soritune.korean import hangul_to_phones

    symbols = hangul_to_phones(form)
    result = expected(text, symbols, labels)
    if form == "온 안":
        assert list(result.symbols) == read(text)
    else:
        assert list(result.symbols) == symbols


@pytest.mark.parametrize("form", ["꼳 아래", "꼬 다래"])
def test_space_may_be_a_pause_or_be_linked_over(form: str) -> None:
    from soritune.korean import hangul_to_phones

    symbols = hangul_to_phones(form)
    assert list(expected("꽃 아래", symbols).symbols) == symbols


def test_reading_of_a_number_that_was_spoken_is_expected() -> None:
    from soritune.korean import hangul_to_phones

    words = {form: expected("3번", hangul_to_phones(form)).words for form in ("삼번", "세번")}
    assert words == {"삼번": ("삼번",), "세번": ("세번",)}


def test_phones_keep_their_place_in_the_text() -> None:
    result = expected("국물이 3개", read("국물이 세개"))
    assert result.words == ("국물이", "세개")
    assert result.written == ("국물이", "3개")
    assert result.syllables == ("국", "물", "이", "세", "개")
    nasal = result.phones[2]
    assert (nasal.symbol, nasal.letter, nasal.position, nasal.syllable, nasal.word, nasal.articles) == (
        "NG",
        "ㅇ",
        "coda",
        0,
        0,
        ("18",),
    )
    assert nasal.ipa == "ŋ"
    assert [phone.symbol for phone in result.phones] == [symbol for symbol in result.symbols if symbol != "|"]
    assert all(result.symbols[phone.at] == phone.symbol for phone in result.phones)


def test_other_accepted_forms_are_alternatives_of_their_phone() -> None:
    result = expected("주의", read("주의"))
    assert result.alternatives == (frozenset(), frozenset(), frozenset({"I"}))


def test_times_of_words_are_those_of_the_written_text() -> None:
    symbols = read("나비 봐요")
    given = spoken(symbols)
    result = expected_of_text("나비 봐요", given, FIRST, 0)
    path = viterbi(given, result.ids(FIRST), 0)
    tiers = result.tiers(path, FrameTimes(0.0, 50.0, len(given) / 50))
    assert [each.text for each in tiers.words] == ["나비", "봐요"]
    assert [each.text for each in tiers.syllables] == ["나", "비", "봐", "요"]
    assert tiers.words[1].start_s == tiers.syllables[2].start_s == tiers.phones[4].start_s
    assert tiers.words[1].end_s == tiers.phones[-1].end_s


def test_given_phones() -> None:
    result = expected_of_phones(["G", "A", "|", "N", "A"], FIRST)
    assert result.symbols == ("G", "A", "|", "N", "A")
    assert result.syllables == ("가", "나")
    assert [phone.word for phone in result.phones] == [0, 0, 1, 1]
    without = expected_of_phones(["AH", "|", "T"], ("[PAD]", "AH", "T"))
    assert without.symbols == ("AH", "T")
    assert [phone.word for phone in without.phones] == [0, 1]
    assert without.syllables == ()


def test_unusable_texts_and_phones_are_refused() -> None:
    with pytest.raises(TaskError, match="has no phone 'Q'"):
        expected_of_phones(["Q"], FIRST)
    with pytest.raises(TaskError, match="no phones were given"):
        expected_of_phones(["|"], FIRST)
    with pytest.raises(TaskError, match="is not a Korean text") as error:
        expected("hello", ["A"])
    assert error.value.kind == "text-not-readable"
    with pytest.raises(TaskError, match="lacks the Korean phones"):
        expected_of_text("가", spoken(["A"], ("[PAD]", "A")), ("[PAD]", "A"), 0)
    with pytest.raises(TaskError, match="too short"):
        expected("아주 길고 긴 글입니다", ["A"])


def test_korean_text_has_hangul_or_digits() -> None:
    assert is_korean_text("가 has one")
    assert is_korean_text("\u1100\u1161")  # decomposed
    assert is_korean_text("3")
    assert not is_korean_text("hello, world!")


@pytest.mark.parametrize("symbol", ["[PAD]", "[UNK]", "<s>", "</s>"])
def test_label_that_is_no_phone_is_refused(symbol: str) -> None:
    with pytest.raises(TaskError, match=r"is a label of the model and no phone; give phones alone"):
        expected_of_phones(["G", "A", symbol], FIRST, 0)


def test_blank_of_any_name_is_refused() -> None:
    with pytest.raises(TaskError, match="'-' is a label"):
        expected_of_phones(["A", "-"], ["A", "-"], 1)
    assert expected_of_phones(["A", "-"], ["A", "-", "[PAD]"], 2).symbols == ("A", "-")


def test_length_is_checked_before_forms_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []

    def refuse(num_phones: int) -> None:
        counts.append(num_phones)
        raise TaskError("too many")

    monkeypatch.setattr("soritune.assessment.expected.log_likelihood", None)  # a call would be a TypeError
    with pytest.raises(TaskError, match="too many"):
        expected_of_text("나비 3번", spoken(["A"]), FIRST, 0, refuse)
    assert counts == [len([phone for phone in read("나비 세번") if phone != "|"])]
