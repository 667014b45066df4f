"""The label is what is said: linked or word by word, with the pauses that were drawn."""

from __future__ import annotations

import numpy as np

from soritune.audio.synthesis.reading import draw_reading


def reading(text: str, pauses: float = 0.0, linked: float = 1.0):  # type: ignore[no-untyped-def]
    return draw_reading(text, np.random.default_rng(0), pauses, linked)


def test_sounds_change_over_spaces_only_where_words_are_linked() -> None:
    assert reading("밭 아래").pronounced == ("바 다래",)
    assert reading("밭 아래", linked=0.0).pronounced == ("받 아래",)
    assert reading("밭 아래", pauses=1.0).pronounced == ("받", "아래")
    assert reading("밭 아래", pauses=1.0).phones == ("B", "A", "t", "|", "A", "R", "E")


def test_punctuation_is_a_pause_and_numbers_are_read() -> None:
    found = reading("네, 3시에 갑니다.")
    assert found.pronounced == ("네", "세시에 감니다")
    assert found.phones == ("N", "E", "|", "S", "E", "S", "I", "E", "|", "G", "A", "M", "N", "I", "D", "A")
    assert found.num_syllables == 7


def test_no_breath_is_too_long_and_nothing_is_lost() -> None:
    found = reading(" ".join(["나무"] * 20))
    assert [len(phrase.split()) for phrase in found.pronounced] == [8, 8, 4]
