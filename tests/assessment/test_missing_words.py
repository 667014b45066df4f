from __future__ import annotations

import numpy as np
import pytest
from tests.assessment.made_output import FIRST, LAST, read, spoken

from soritune.assessment.alignment import viterbi
from soritune.assessment.expected import Expected, expected_of_phones, expected_of_text, gain
from soritune.assessment.missing_words import missing_words
from soritune.assessment.thresholds import packaged_thresholds

TEXT = "이번 주말에 우리 같이 미술관 갈까요"
KO_BASE = packaged_thresholds("ko-base")
assert KO_BASE is not None


def missing_in(text: str, said: str, labels: tuple[str, ...] = FIRST) -> tuple[Expected, frozenset[int], int]:
    given, blank = spoken(read(said), labels), labels.index("[PAD]")
    expected = expected_of_text(text, given, labels, blank)
    path = viterbi(given, expected.ids(labels), blank)
    missing, left = missing_words(expected, given, labels, blank, path, KO_BASE)
    return expected, missing, len(left)


@pytest.mark.parametrize("labels", [FIRST, LAST])
@pytest.mark.parametrize("number", range(6))
def test_each_word_that_was_not_spoken_is_found(number: int, labels: tuple[str, ...]) -> None:
    words = TEXT.split()
    said = " ".join([*words[:number], *words[number + 1 :]])
    expected, missing, left = missing_in(TEXT, said, labels)
    assert missing == {number}
    assert left == len(expected.without(missing).symbols)


def test_several_words_that_were_not_spoken() -> None:
    assert missing_in(TEXT, "이번 주말에 미술관")[1] == {2, 3, 5}


def test_words_that_were_spoken_are_not_missing() -> None:
    assert missing_in(TEXT, TEXT)[1] == frozenset()
    assert missing_in("같이", "가치")[1] == frozenset()


def test_a_word_with_errors_is_not_missing() -> None:
    """우리 as 오디: every consonant and the first vowel are others."""
    assert missing_in(TEXT, TEXT.replace("우리", "오디"))[1] == frozenset()


def test_a_word_that_was_spoken_fast_is_not_missing() -> None:
    """The model is unsure of every phone of 같이 and recognises three of the four: improbable, but not absent."""
    given = spoken(read(TEXT.replace("같이", "갇이")))
    labels, blank = FIRST, FIRST.index("[PAD]")
    words = TEXT.split()
    silent = spoken(read(" ".join([*words[:3], *words[4:]])))
    assert len(given) > len(silent)
    expected = expected_of_text(TEXT, given, labels, blank)
    path = viterbi(given, expected.ids(labels), blank)
    unsure = given.copy()
    spans = [
        (path.first_frames[phone.at], path.last_frames[phone.at])
        for phone in expected.phones
        if phone.word == 3
    ]
    for number, (first, last) in enumerate(spans):
        rows = slice(first - 2, last + 3)
        unsure[rows, :] = np.log(1e-9)
        unsure[rows, blank] = np.log(0.45)
        if number < 3:  # another vowel or consonant than the expected one
            unsure[(first + last) // 2, blank] = np.log(0.4)
            unsure[(first + last) // 2, labels.index("M" if number % 2 == 0 else "O")] = np.log(0.55)
    path = viterbi(unsure, expected.ids(labels), blank)
    other = expected.without({3}).ids(labels)
    assert gain(unsure, expected.ids(labels), other, path, blank) > -KO_BASE.phone_log_probability
    assert missing_words(expected, unsure, labels, blank, path, KO_BASE)[0] == frozenset()


def test_one_word_always_remains() -> None:
    assert missing_in("같이", "바다")[1] == frozenset()
    expected, missing, _ = missing_in("같이 우리", "바다")
    assert len(missing) < len(expected.words)


def test_text_without_words_keeps_the_others_in_place() -> None:
    expected = expected_of_phones(["G", "A", "|", "N", "A", "|", "D", "A"], FIRST)
    left = expected.without({1})
    assert left.symbols == ("G", "A", "|", "D", "A")
    assert [(phone.symbol, phone.at, phone.word, phone.syllable) for phone in left.phones] == [
        ("G", 0, 0, 0),
        ("A", 1, 0, 0),
        ("D", 3, 2, 2),
        ("A", 4, 2, 2),
    ]
    assert expected.without({0}).symbols == ("N", "A", "|", "D", "A")
    assert expected.without(set()).symbols == expected.symbols


def test_a_word_that_is_not_recognised_is_not_missing_where_it_has_its_time() -> None:
    """The model hears nothing for the time of 같이, between words of the usual pace."""
    given, labels, blank = spoken(read(TEXT)), FIRST, FIRST.index("[PAD]")
    expected = expected_of_text(TEXT, given, labels, blank)
    path = viterbi(given, expected.ids(labels), blank)
    places = [phone.at for phone in expected.phones if phone.word == 3]
    silent = given.copy()
    here = slice(path.first_frames[places[0]], path.last_frames[places[-1]] + 1)
    silent[here] = np.log(0.01 / (len(labels) - 1))
    silent[here, blank] = np.log(0.99)
    path = viterbi(silent, expected.ids(labels), blank)
    assert missing_words(expected, silent, labels, blank, path, KO_BASE)[0] == frozenset()
