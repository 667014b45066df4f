from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.assessment.made_output import FIRST, read, spoken

from soritune.assessment.advice import Letter, first_advice, letter_of
from soritune.assessment.expected import expected_of_phones, expected_of_text
from soritune.assessment.verdicts import PhoneVerdict
from soritune.korean import KOREAN

EXPECTED = expected_of_text("국물 좋아요", spoken(read("국물 좋아요")), FIRST, 0)
CORRECT = PhoneVerdict("correct", "A", 0.9, ())


def verdicts_with(**wrong: PhoneVerdict) -> list[PhoneVerdict]:
    return [wrong.get(f"p{number}", CORRECT) for number in range(len(EXPECTED.phones))]


def test_no_error_no_advice() -> None:
    assert first_advice(EXPECTED, verdicts_with()) is None


def test_least_probable_error_comes_first_in_both_languages() -> None:
    advice = first_advice(
        EXPECTED,
        verdicts_with(
            p0=PhoneVerdict("substitution", "GG", 0.2, ()), p2=PhoneVerdict("deletion", None, 0.01, ())
        ),
    )
    assert advice is not None
    assert (advice["id"], advice["phone"], advice["word"], advice["article"]) == ("coda-missing", 2, 0, "18")
    assert "'국물'의 받침 ㅇ" in advice["ko"]
    assert "표준 발음법 제18항" in advice["ko"]
    assert "final ㅇ in '국물' was not heard" in advice["en"]
    assert "article 18: nasalisation" in advice["en"]


def test_every_pair_of_phones_has_advice() -> None:
    for symbol in [*KOREAN.symbols, None]:
        kind = "deletion" if symbol is None else "substitution"
        for number in range(len(EXPECTED.phones)):
            advice = first_advice(
                EXPECTED, verdicts_with(**{f"p{number}": PhoneVerdict(kind, symbol, 0.1, ())})
            )
            assert advice is not None
            assert advice["ko"]
            assert "{" not in advice["ko"] + advice["en"]


def test_lax_consonant_that_sounded_tense() -> None:
    advice = first_advice(EXPECTED, verdicts_with(p0=PhoneVerdict("substitution", "GG", 0.1, ())))
    assert advice is not None
    assert advice["id"] == "lax-as-tense"
    assert "ㄲ" in advice["ko"]
    assert "ㄲ" in advice["en"]


@pytest.mark.parametrize(
    ("letter", "subject", "topic"),
    [("ㄱ", "ㄱ이", "ㄱ은"), ("ㄹ", "ㄹ이", "ㄹ은"), ("ㅘ", "ㅘ가", "ㅘ는"), ("AH", "AH이(가)", "AH은(는)")],
)
def test_particles_fit_the_names_of_letters(letter: str, subject: str, topic: str) -> None:
    """기역이, 리을이, 와가."""
    assert format(Letter(letter), "이/가") == subject
    assert format(Letter(letter), "은/는") == topic
    assert f"{Letter(letter)}" == letter


def test_no_sentence_has_both_forms_of_a_particle() -> None:
    """Of any Korean phone that is heard for any other one."""
    for at in range(len(EXPECTED.phones)):
        for symbol in [*KOREAN.symbols, None]:
            kind = "deletion" if symbol is None else "substitution"
            advice = first_advice(EXPECTED, verdicts_with(**{f"p{at}": PhoneVerdict(kind, symbol, 0.1, ())}))
            assert advice is not None
            assert not re.search(r"이\(가\)|은\(는\)|[ㅏ-ㅣ](이|은|으로)(?![가-힣])", advice["ko"])
            assert not re.search(r"[ㄱ-ㅎ](가|는|예요)(?![가-힣])", advice["ko"])


@pytest.mark.parametrize(
    ("heard", "name", "must", "never"),
    [
        ("EO", "yo-as-eo", ("ㅛ", "ㅓ", "ㅣ"), "ㅗ"),
        ("O", "y-missing", ("ㅛ", "ㅗ", "ㅣ"), "ㅓ"),
        ("iEO", "o-as-eo", ("ㅛ", "ㅕ"), "ㅗ"),
    ],
)
def test_advice_states_what_differs_between_the_two_vowels(
    heard: str, name: str, must: tuple[str, ...], never: str
) -> None:
    at = next(number for number, phone in enumerate(EXPECTED.phones) if phone.symbol == "iO")
    advice = first_advice(EXPECTED, verdicts_with(**{f"p{at}": PhoneVerdict("substitution", heard, 0.1, ())}))
    assert advice is not None
    assert advice["id"] == name
    for text in (advice["ko"], advice["en"]):
        assert all(letter in text for letter in must)
        assert never not in text


def test_letters() -> None:
    assert [letter_of(symbol) for symbol in ("G", "oE", "AH", None)] == ["ㄱ", "ㅙ", "AH", "-"]


def test_unclear_phone_is_never_named() -> None:
    assert first_advice(EXPECTED, verdicts_with(p0=PhoneVerdict("unclear", "A", 0.0, ()))) is None
    advice = first_advice(
        EXPECTED,
        verdicts_with(
            p0=PhoneVerdict("unclear", "A", 0.0, ()), p1=PhoneVerdict("substitution", "O", 0.1, ())
        ),
    )
    assert advice is not None
    assert advice["phone"] == 1


def test_advice_about_one_feature_needs_a_phone_that_differs_in_it() -> None:
    """국 with ㅂ for ㄱ is not a matter of the throat or of air: the general sentence names what was recognised."""
    advice = first_advice(EXPECTED, verdicts_with(p0=PhoneVerdict("substitution", "BB", 0.1, ())))
    assert advice is not None
    assert advice["id"] == "substitution"


def test_missing_onset_is_not_called_a_final() -> None:
    """국물 is [궁물]: phone 3 is the onset ㅁ, phone 2 the coda ㅇ."""
    assert [EXPECTED.phones[number].position for number in (2, 3)] == ["coda", "onset"]
    for number, name in ((2, "coda-missing"), (3, "deletion")):
        advice = first_advice(
            EXPECTED, verdicts_with(**{f"p{number}": PhoneVerdict("deletion", None, 0.1, ())})
        )
        assert advice is not None
        assert advice["id"] == name


def test_words_that_were_not_heard_come_before_phones() -> None:
    text = "우리 같이 미술관, 갈까요?"
    expected = expected_of_text(text, spoken(read(text)), FIRST, 0)
    judged = [PhoneVerdict("substitution", "GG", 0.0, ())] * len(expected.phones)
    advice = first_advice(expected, judged, [1])
    assert advice is not None
    assert (advice["id"], advice["word"], expected.phones[advice["phone"]].word) == ("word-not-heard", 1, 1)
    assert advice["ko"].startswith("낱말 '같이'가 들리지 않았어요.")
    assert advice["en"].startswith("The word '같이' was not heard;")
    two = first_advice(expected, judged, [1, 2])
    assert two is not None
    assert "'같이', '미술관'이 들리지" in two["ko"]
    assert "The word '같이' and the word '미술관' were not heard" in two["en"]


def test_word_of_a_number_is_named_as_it_is_read() -> None:
    phones = ["S", "E", "|", "S", "I", "E", "|", "G", "A", "iO"]
    read_as = replace(
        expected_of_phones(phones, FIRST), words=("세", "시에", "가요"), written=("3시에", "3시에", "가요.")
    )
    names = [first_advice(read_as, [CORRECT] * 8, [word]) for word in range(3)]
    assert [advice["ko"].split(" 들리지")[0] for advice in names if advice is not None] == [
        "낱말 '세'가",
        "낱말 '시에'가",
        "낱말 '가요'가",
    ]
