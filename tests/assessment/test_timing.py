from __future__ import annotations

import numpy as np
import pytest
from tests.assessment.made_output import FIRST, LAST, spoken

from soritune.assessment.alignment import Alignment, viterbi
from soritune.assessment.timing import FrameTimes, Interval, Tiers, phone_times, recognised_tiers


def aligned(*frames: tuple[int, int]) -> Alignment:
    first, last = zip(*frames, strict=True)
    return Alignment(np.array(first), np.array(last), 0.0)


def test_blanks_between_two_phones_are_shared() -> None:
    # 50 frames a second: A is in frame 10, B in frames 14 and 15. Its label ends at 0.22 s, the next begins at 0.28 s.
    times = phone_times(["A", "B"], aligned((10, 10), (14, 15)), FrameTimes(0.0, 50.0, 1.0))
    assert times == [Interval("A", 0.14, 0.25), Interval("B", 0.25, 0.38)]


def test_pause_belongs_to_no_phone() -> None:
    times = phone_times(["A", "B"], aligned((10, 10), (40, 40)), FrameTimes(0.0, 50.0, 2.0))
    assert times == [Interval("A", 0.14, 0.28), Interval("B", 0.74, 0.88)]


def test_word_boundary_is_no_phone_and_its_frames_are_shared() -> None:
    times = phone_times(["A", "|", "B"], aligned((10, 10), (12, 12), (14, 14)), FrameTimes(0.0, 50.0, 1.0))
    assert [(each.text, each.start_s, each.end_s) for each in times] == [("A", 0.14, 0.25), ("B", 0.25, 0.36)]


def test_start_of_frame_0_moves_all_times_and_the_clip_limits_them() -> None:
    times = phone_times(["A"], aligned((0, 0)), FrameTimes(0.0025, 50.0, 0.07))
    assert times == [Interval("A", 0.0, 0.07)]
    assert FrameTimes(-0.01, 50.0, 1.0).start(0) == 0.0
    assert FrameTimes(0.0025, 50.0, 1.0).start(10) == pytest.approx(0.2025)


@pytest.mark.parametrize("labels", [FIRST, LAST])
def test_syllables_and_words_of_recognised_phones(labels: tuple[str, ...]) -> None:
    symbols = ["H", "A", "k", "GG", "iO", "|", "G", "A", "S"]
    given = spoken(symbols, labels)
    frames = FrameTimes(0.0, 50.0, len(given) / 50)
    tiers = recognised_tiers(symbols, given, labels, labels.index("[PAD]"), frames)
    assert [each.text for each in tiers.phones] == ["H", "A", "k", "GG", "iO", "G", "A", "S"]
    assert [each.text for each in tiers.syllables] == ["학", "꾜", "가", "ㅅ"]
    assert [each.text for each in tiers.words] == ["학꾜", "가ㅅ"]
    # The third symbol has its label in frame 12 of five frames each; the middle to the next one is 0.3 s.
    assert (tiers.phones[2].start_s, tiers.phones[2].end_s) == (pytest.approx(0.2), pytest.approx(0.3))
    assert tiers.syllables[1].start_s == tiers.phones[3].start_s
    assert tiers.words[0].end_s == tiers.phones[4].end_s == tiers.syllables[1].end_s


def test_phones_of_another_inventory_have_no_syllables() -> None:
    labels = ("[PAD]", "AH", "T", "|")
    given = spoken(["AH", "T", "|", "AH"], labels)
    tiers = recognised_tiers(["AH", "T", "|", "AH"], given, labels, 0, FrameTimes(0, 50.0, 1.0))
    assert tiers.syllables == ()
    assert [each.text for each in tiers.words] == ["AH T", "AH"]


def test_nothing_recognised_has_empty_tiers() -> None:
    given = spoken(["A"])
    assert recognised_tiers([], given, FIRST, 0, FrameTimes(0, 50.0, 1.0)) == Tiers()


def test_json_is_read_back() -> None:
    tiers = Tiers((Interval("A", 0.1, 0.2),), (Interval("아", 0.1, 0.2),), ())
    assert Tiers.from_json(tiers.to_json()) == tiers
    assert tiers.named() == [("syllables", tiers.syllables), ("phones", tiers.phones)]


def test_inserted_frames_move_what_follows_and_nothing_else() -> None:
    symbols = ["S", "O", "R", "I"]
    frames = FrameTimes(0.0, 50.0, 5.0)

    def starts(pause: int) -> list[float]:
        given = spoken(symbols, pauses={2: pause})
        path = viterbi(given, [FIRST.index(symbol) for symbol in symbols], 0)
        return [each.start_s for each in phone_times(symbols, path, frames)]

    short, long = starts(20), starts(70)
    assert long[:2] == short[:2]
    assert [after - before for before, after in zip(short[2:], long[2:], strict=True)] == pytest.approx(
        [1.0, 1.0]
    )
