"""Readings: linked or word by word, with drawn pauses."""

from __future__ import annotations

import numpy as np

from soritune.audio.synthesis.reading import draw_reading


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
