from __future__ import annotations

import pytest
from tests.assessment.made_output import FIRST, LAST, read, spoken

from soritune.assessment.alignment import viterbi
from soritune.assessment.expected import expected_of_phones, expected_of_text
from soritune.assessment.thresholds import Thresholds, packaged_thresholds
from soritune.assessment.variants import Variants
from soritune.assessment.verdicts import Insertion, PhoneVerdict, is_same_letter, phone_labels, verdicts
from soritune.korean import KOREAN

TINY_KO = packaged_thresholds("tiny-ko")
assert TINY_KO is not None


@pytest.fixture
def strict() -> Thresholds:
    return TINY_KO.model_copy(update={"phone_log_probability": -3.0, "insertion_log_ratio": 4.0})


def judged(
    text: str,
    symbols: list[str],
    thresholds: Thresholds,
    labels: tuple[str, ...] = FIRST,
    variants: Variants | None = None,
) -> tuple[list[PhoneVerdict], list[Insertion]]:
    given, blank = spoken(symbols, labels), labels.index("[PAD]")
    expected = expected_of_text(text, given, labels, blank)
    path = viterbi(given, expected.ids(labels), blank)
    return verdicts(expected, given, labels, blank, path, thresholds, variants)


TEXT = "오늘은 날씨가 좋아요"
VOWELS = {phone.symbol for phone in KOREAN.phones if phone.position == "vowel"}


@pytest.mark.parametrize("labels", [FIRST, LAST])
def test_right_pronunciation_has_no_error(strict: Thresholds, labels: tuple[str, ...]) -> None:
    phones, insertions = judged(TEXT, read(TEXT), strict, labels)
    assert {verdict.kind for verdict in phones} == {"correct"}
    assert insertions == []
    assert all(verdict.probability > 0.9 for verdict in phones)


@pytest.mark.parametrize("labels", [FIRST, LAST])
@pytest.mark.parametrize("replacement", ["S", None])
def test_one_exchanged_or_missing_phone_changes_only_its_own_verdict(
    strict: Thresholds, labels: tuple[str, ...], replacement: str | None
) -> None:
    """Each phone of the text in turn; the verdict of every neighbour stays."""
    whole = read(TEXT)
    for at, symbol in enumerate(whole):
        if symbol == "|" or symbol == replacement:
            continue
        changed = [*whole[:at], *([] if replacement is None else [replacement]), *whole[at + 1 :]]
        if replacement in (*whole[at - 1 : at], *whole[at + 1 : at + 2]):
            continue
        phones, insertions = judged(TEXT, changed, strict, labels)
        number = len([each for each in whole[:at] if each != "|"])
        kinds = [verdict.kind for verdict in phones]
        kind = "unclear" if symbol in VOWELS else "substitution"  # a vowel is not said as a consonant
        assert kinds[number] == ("deletion" if replacement is None else kind), (at, symbol)
        assert kinds[:number] + kinds[number + 1 :] == ["correct"] * (len(kinds) - 1)
        assert phones[number].recognised == replacement
        assert phones[number].candidates[0][0] == replacement
        assert insertions == []


def test_inserted_phone_is_named_with_its_place(strict: Thresholds) -> None:
    whole = read(TEXT)
    phones, insertions = judged(TEXT, [*whole[:3], "M", *whole[3:]], strict)
    assert {verdict.kind for verdict in phones} == {"correct"}
    assert [(each.before, each.recognised) for each in insertions] == [(3, "M")]


def test_other_insertions_beside_ui_are_reported(strict: Thresholds) -> None:
    for symbols, found in ((["I", "euI"], [(0, "I")]), (["euI", "N"], [(1, "N")]), (["EU", "euI", "I"], [])):
        insertions = judged("의사", [*symbols, *read("의사")[1:]], strict)[1]
        assert [(each.before, each.recognised) for each in insertions] == found


@pytest.mark.parametrize(
    ("text", "form"),
    [("주의", "주이"), ("시계", "시게"), ("김밥", "김빱"), ("외국", "웨국"), ("민주주의의", "민주주이에")],
)
def test_accepted_forms_are_never_errors(strict: Thresholds, text: str, form: str) -> None:
    from soritune.korean import hangul_to_phones

    phones, insertions = judged(text, hangul_to_phones(form), strict)
    assert {verdict.kind for verdict in phones} == {"correct"}
    assert insertions == []


def test_variant_of_the_user_is_no_error(strict: Thresholds) -> None:
    symbols = ["S" if symbol == "SS" else symbol for symbol in read("날씨")]
    phones, _ = judged("날씨", symbols, strict)
    assert [verdict.kind for verdict in phones].count("substitution") == 1
    phones, _ = judged("날씨", symbols, strict, variants={("SS", "S"): "children"})
    assert {verdict.kind for verdict in phones} == {"correct"}
    assert [verdict.accepted for verdict in phones if verdict.accepted] == ["children"]


LETTERS = {phone.symbol: phone.letters for phone in KOREAN.phones}


def test_phones_of_one_letter_are_those_of_onset_and_coda() -> None:
    pairs = {frozenset((a, b)) for a in LETTERS for b in LETTERS if is_same_letter(a, b)}
    assert pairs == {frozenset(pair) for pair in (("G", "k"), ("D", "t"), ("B", "p"), ("R", "L"))}


@pytest.mark.parametrize(("text", "said"), [("길로", "R"), ("나라", "L"), ("가요", "k"), ("국", "G")])
def test_sound_of_the_same_letter_is_no_error(strict: Thresholds, text: str, said: str) -> None:
    symbols = read(text)
    at = next(number for number, symbol in enumerate(symbols) if is_same_letter(symbol, said))
    phones, insertions = judged(text, [*symbols[:at], said, *symbols[at + 1 :]], strict)
    assert {verdict.kind for verdict in phones} == {"correct"}
    assert [verdict.accepted for verdict in phones if verdict.accepted] == ["same-letter"]
    assert insertions == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [("왜", ["U", "E"]), ("와", ["O", "A"]), ("위", ["U", "I"]), ("여기", ["I", "EO", "G", "I"])],
)
def test_diphthong_that_is_heard_as_its_two_vowels_is_right(
    strict: Thresholds, text: str, parts: list[str]
) -> None:
    phones, insertions = judged(f"{text} 나라", [*parts, "|", *read("나라")], strict)
    assert {verdict.kind for verdict in phones} == {"correct"}
    assert insertions == []


def test_one_vowel_of_a_diphthong_alone_remains_an_error(strict: Thresholds) -> None:
    phones, insertions = judged("왜 나라", ["E", "|", *read("나라")], strict)
    assert [(verdict.kind, verdict.recognised) for verdict in phones[:1]] == [("substitution", "E")]
    assert insertions == []
    phones, insertions = judged("애 나라", ["U", "E", "|", *read("나라")], strict)
    assert [(each.before, each.recognised) for each in insertions] == [(0, "U")]


def test_what_replaces_a_phone_is_not_inserted_beside_it_again(strict: Thresholds) -> None:
    """As where a recogniser gives a long vowel two labels: ㅓ of 천 is ㅏ, once."""
    symbols = read("추천해")
    at = symbols.index("EO")
    given = spoken([*symbols[:at], "A", "A", *symbols[at + 1 :]])
    expected = expected_of_text("추천해", given, FIRST, 0)
    path = viterbi(given, expected.ids(FIRST), 0)
    separate, double = verdicts(expected, given, FIRST, 0, path, strict, join=False)
    assert {each.recognised for each in double} == {"A"}  # without joining, it is reported again
    joined, insertions = verdicts(expected, given, FIRST, 0, path, strict)
    assert joined == separate
    assert [verdict.recognised for verdict in joined if verdict.kind == "substitution"] == ["A"]
    assert insertions == []


def test_threshold_decides(strict: Thresholds) -> None:
    symbols = ["O" if symbol == "A" else symbol for symbol in read("나")]
    lenient = strict.model_copy(update={"phone_log_probability": -1000.0})
    assert judged("나", symbols, strict)[0][1].kind == "substitution"
    verdict = judged("나", symbols, lenient)[0][1]
    assert (verdict.kind, verdict.recognised, verdict.accepted) == ("correct", "O", None)


def test_phones_of_an_inventory_of_ones_own(strict: Thresholds) -> None:
    labels = ("x1", "x2", "[PAD]", "<s>", "|")
    assert phone_labels(labels) == [0, 1]
    given = spoken(["x1", "x2"], labels)
    expected = expected_of_phones(["x1", "x1"], labels)
    path = viterbi(given, expected.ids(labels), 2)
    phones, _ = verdicts(expected, given, labels, 2, path, strict)
    assert [verdict.kind for verdict in phones] == ["correct", "substitution"]
    assert phones[1].recognised == "x2"


def test_vowel_recognised_as_a_consonant_is_unclear(strict: Thresholds) -> None:
    """In 오늘은 the second phone is ㅡ's word; ㅗ is replaced with ㅋ, which is no variant of it."""
    whole = read("오늘은")
    phones, _ = judged("오늘은", ["Kh", *whole[1:]], strict)
    assert phones[0].recognised == "Kh"
    assert phones[0].kind == "unclear"
    assert phones[0].probability < 0.05


def test_error_without_a_probable_candidate_is_unclear(strict: Thresholds) -> None:
    """ㅗ is improbable, and ㅓ and ㅜ share its place: at 0.5 neither is named, at 0.3 the better one is."""
    whole = read("오늘은")
    given = spoken(whole)
    row = given[2]  # the frame of the first symbol
    row[:] = -14.0
    row[FIRST.index("EO")], row[FIRST.index("U")] = -0.80, -0.82
    row[FIRST.index("[PAD]")] = -3.0
    expected = expected_of_text("오늘은", given, FIRST, 0)
    path = viterbi(given, expected.ids(FIRST), 0)
    kinds = []
    for least in (0.5, 0.3):
        limits = strict.model_copy(update={"least_candidate_probability": least})
        phone = verdicts(expected, given, FIRST, 0, path, limits)[0][0]
        assert phone.recognised == "EO"
        assert 0.3 < phone.candidates[0][1] < 0.5
        kinds.append(phone.kind)
    assert kinds == ["unclear", "substitution"]
