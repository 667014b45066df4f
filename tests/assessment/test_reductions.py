"""Common native reductions: where each applies, and that what they accept is no error."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.assessment.made_output import FIRST, read, spoken

from soritune.assessment.alignment import viterbi
from soritune.assessment.answer import PhoneOutput, Recording, Request, assess
from soritune.assessment.expected import expected_of_phones, expected_of_text
from soritune.assessment.reductions import accepted_reductions, reduction_titles, reductions
from soritune.assessment.thresholds import Thresholds, packaged_thresholds
from soritune.assessment.timing import FrameTimes
from soritune.assessment.verdicts import PhoneVerdict, verdicts
from soritune.korean import KOREAN

TINY_KO = packaged_thresholds("tiny-ko")
assert TINY_KO is not None
STRICT = TINY_KO.model_copy(update={"phone_log_probability": -3.0, "insertion_log_ratio": 4.0})


def judged(text: str, symbols: Sequence[str], thresholds: Thresholds = STRICT) -> list[PhoneVerdict]:
    given = spoken(symbols)
    expected = expected_of_text(text, given, FIRST, 0)
    return verdicts(expected, given, FIRST, 0, viterbi(given, expected.ids(FIRST), 0), thresholds)[0]


def changed(text: str, at: int, symbol: str | None) -> list[str]:
    """The phones of a text with one replaced or left out; `at` counts phones without word boundaries."""
    symbols = read(text)
    places = [index for index, each in enumerate(symbols) if each != "|"]
    place = places[at]
    return [*symbols[:place], *([] if symbol is None else [symbol]), *symbols[place + 1 :]]


@pytest.mark.parametrize(
    ("text", "at", "symbol", "reduction"),
    [
        ("전화", 3, None, "h-weakening"),
        ("안녕히", 5, None, "h-weakening"),
        ("수화물", 2, None, "h-weakening"),
        ("카드", 3, None, "short-eu"),
        ("그래서", 1, None, "short-eu"),
        ("마음", 2, None, "short-eu"),
        ("그런데", 2, None, "geu-contraction"),
        ("나를", 2, None, "reul-contraction"),
        ("됩니다", 1, "E", "w-glide"),
        ("쉬세요", 1, "I", "w-glide"),
        ("관용", 1, "A", "w-glide"),
        ("오셨어요", 2, "EO", "y-glide-after-sibilant"),
        ("그러죠", 5, "EO", "jyo"),
        ("그러죠", 5, "O", "y-glide-after-sibilant"),
        ("하고", 3, "U", "raised-o"),
        ("있습니다", 1, None, "coda-before-tense"),
        ("학교", 2, None, "coda-before-tense"),
        ("감기", 2, "NG", "place-assimilation"),
        ("신문", 2, "M", "place-assimilation"),
        ("되어", 2, None, "contraction"),
        ("의견", 0, "I", "initial-ui"),
        ("의사", 0, "EU", "initial-ui"),
        ("의사", 0, "E", "initial-ui"),
    ],
)
def test_reduction_is_accepted_with_its_reason(
    text: str, at: int, symbol: str | None, reduction: str
) -> None:
    phones = judged(text, changed(text, at, symbol))
    assert [verdict.kind for verdict in phones] == ["correct"] * len(phones)
    assert (phones[at].recognised, phones[at].accepted, phones[at].accepted_kind) == (
        symbol,
        reduction,
        "native",
    )


@pytest.mark.parametrize(
    ("text", "at", "symbol"),
    [
        ("하나", 0, None),  # ㅎ at the beginning is heard
        ("급히", 2, "G"),
        ("다리", 1, "EO"),  # ㅏ is no ㅓ
        ("도시", 1, "U"),  # ㅗ is raised at the end of a word alone
        ("가다", 2, "DD"),
        ("사과", 3, "EO"),  # ㅘ loses its glide, and is no ㅓ
        ("교실", 1, "O"),  # the glide of ㅛ is kept after ㄱ
        ("악수", 1, None),  # ㄱ is heard before ㅅ
    ],
)
def test_other_changes_remain_errors(text: str, at: int, symbol: str | None) -> None:
    assert judged(text, changed(text, at, symbol))[at].kind in ("substitution", "deletion")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("의미해요", 0),
        ("그 의미는", 2),
        ("주의하세요", 2),
        ("강의를 들어요", 3),
        ("나의 책", 2),
        ("민주주의의 의의", 8),
    ],
)
@pytest.mark.parametrize("spoken_as", [["euI"], ["I"], ["EU"], ["E"], ["EU", "I"]])
def test_ui_is_never_an_error(text: str, at: int, spoken_as: list[str]) -> None:
    """Whatever form is expected, and if its two parts are heard one after the other."""
    symbols = changed(text, at, "euI")
    place = [index for index, symbol in enumerate(symbols) if symbol != "|"][at]
    assert symbols[place] == "euI"
    given = spoken([*symbols[:place], *spoken_as, *symbols[place + 1 :]])
    expected = expected_of_text(text, given, FIRST, 0)
    phones, insertions = verdicts(expected, given, FIRST, 0, viterbi(given, expected.ids(FIRST), 0), STRICT)
    assert [verdict.kind for verdict in phones] == ["correct"] * len(phones)
    assert insertions == []


def test_other_sounds_in_the_place_of_ui_are_errors() -> None:
    for text, at in (("의미해요", 0), ("주의하세요", 2), ("나의 책", 2)):
        assert judged(text, changed(text, at, "A"))[at].kind == "substitution"
    assert judged("희망", changed("희망", 1, "EU"))[1].kind == "substitution"  # a letter for ㅣ (article 5)


def test_word_borders_keep_neighbours_apart() -> None:
    """ㅎ at the beginning of a word is not between voiced sounds; ㄷ before a tense sound of the next word is."""
    expected = expected_of_phones(["N", "A", "|", "H", "A", "t", "|", "GG", "A"], FIRST)
    accepted = accepted_reductions(expected)
    assert accepted[2] == {}
    assert accepted[4] == {None: "coda-before-tense"}


def test_equal_vowels_merge_over_a_weak_h() -> None:
    accepted = accepted_reductions(expected_of_phones(["S", "A", "H", "A", "M"], FIRST))
    assert accepted == [{}, {}, {None: "h-weakening"}, {None: "merged-vowels"}, {}]


def test_phones_of_other_languages_have_none() -> None:
    labels = ("[PAD]", "HH", "AH", "N")
    assert accepted_reductions(expected_of_phones(["AH", "HH", "AH"], labels)) == [{}, {}, {}]


def test_every_line_names_phones_and_is_described_in_both_languages() -> None:
    for each in reductions():
        assert set(each.accepted) <= set(KOREAN.symbols)
        assert {symbol for symbol in each.accepted.values() if symbol} <= set(KOREAN.symbols)
        assert each.neighbours or each.same_vowel
        for names in each.neighbours.values():
            assert names <= {*KOREAN.symbols, "start", "end"}
    assert all(each["ko"] and each["en"] for each in reduction_titles().values())


def test_answer_states_who_accepts() -> None:
    given = spoken(changed("전화를 합니다", 3, None))
    output = PhoneOutput(given, FIRST, 0, FrameTimes(0.0, 50.0, len(given) / 50.0))
    answer = assess(Request("전화를 합니다"), Recording("a", "a.wav", len(given) / 50.0), output, STRICT)
    assert answer["assessable"], answer["reason"]
    phone = answer["words"][0]["syllables"][1]["phones"][0]
    assert (phone["expected"], phone["kind"], phone["recognised"]) == ("H", "correct", None)
    assert (phone["accepted"], phone["accepted_kind"]) == ("h-weakening", "native")
    assert answer["advice"] is None
