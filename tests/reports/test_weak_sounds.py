from __future__ import annotations

from typing import Any

import pytest

from soritune.korean import KOREAN
from soritune.reports.weak_sounds import right_share, sound_name, sounds_of, weakest, wilson


def phone(
    index: int, expected: str, letter: str, kind: str = "correct", heard: str | None = None
) -> dict[str, Any]:
    return {
        "index": index,
        "expected": expected,
        "letter": letter,
        "ipa": None,
        "position": "onset",
        "kind": kind,
        "recognised_letter": heard,
        "probability": 0.9 if kind == "correct" else 0.001,
        "rules": [],
        "start_s": 0.1 * index,
        "end_s": 0.1 * index + 0.1,
    }


def answer(
    phones: list[dict[str, Any]], name: str = "a", speaker: str | None = None, **more: Any
) -> dict[str, Any]:
    syllable = {"text": "가", "start_s": 0.0, "end_s": 1.0, "phones": phones}
    word = {
        "text": "가요",
        "spoken": "가요",
        "start_s": 0.0,
        "end_s": 1.0,
        "errors": 0,
        "syllables": [syllable],
    }
    return {
        "id": name,
        "text": "가요",
        "speaker": speaker,
        "date": None,
        "assessable": True,
        "outcome": "assessed",
        "reason": None,
        "words": [word],
        "insertions": [],
        "counts": {"phones": len(phones)},
        "fluency": {"pauses": [], "articulation_rate": 4.2},
        "advice": None,
        "models": [{"name": "soritune/ko-base"}],
        "thresholds": {"name": "ko-base-1"},
        "soritune": "0.1.0",
        **more,
    }


def test_published_interval() -> None:
    """Brown, Cai and DasGupta (2001) and statsmodels give these ends for 10 of 20 and for 1 of 1."""
    assert wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson(1, 1) == pytest.approx((0.2065, 1.0), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_unclear_phones_are_neither_right_nor_wrong() -> None:
    sounds = sounds_of([answer([phone(0, "G", "ㄱ"), phone(1, "A", "ㅏ", "unclear", "ㅋ")])])
    assert right_share(sounds) == (1, 1)
    assert weakest(sounds) == []


def test_rare_sound_with_one_error_does_not_come_before_a_frequent_one() -> None:
    often = [phone(index, "EO", "ㅓ", "substitution", "ㅗ") for index in range(6)]
    often += [phone(6 + index, "EO", "ㅓ") for index in range(4)]
    rare = [phone(10, "BB", "ㅃ", "deletion")]
    order = weakest(sounds_of([answer(often + rare)]))
    assert [symbol for symbol, _ in order] == ["EO", "BB"]  # 6 of 10: at least 0.31; 1 of 1: at least 0.21
    assert dict(order[0][1].recognised) == {"ㅗ": 6}
    assert order[1][1].recognised == {None: 1}


def test_one_sound_has_one_name_and_one_count_whatever_letter_the_text_has() -> None:
    """ㅙ and ㅚ are one phone, and so are the two onsets of ㄹ."""
    vowels = [phone(0, "oE", "ㅙ", "substitution", "ㅐ"), phone(1, "oE", "ㅚ", "substitution", "ㅐ")]
    for phones in (vowels, vowels[::-1]):
        [(_, sound)] = weakest(sounds_of([answer(phones)]))
        assert (sound.letter, sound.errors, sound.total) == ("ㅚ/ㅙ/ㅞ", 2, 2)
        assert sound.recognised == {"ㅐ/ㅔ": 2}
    sounds = sounds_of([answer([phone(0, "R", "ㄹ"), phone(1, "L", "ㄹ")])])
    assert [(sound.letter, sound.total) for sound in sounds.values()] == [("ㄹ", 2)]


def test_names_are_those_of_the_inventory() -> None:
    for each in KOREAN.phones:
        for letter in each.letters:
            assert sorted(sound_name(letter).split("/")) == sorted(each.letters)


def test_recording_that_was_not_assessed_counts_nothing() -> None:
    assert sounds_of([answer([]) | {"words": None}]) == {}
