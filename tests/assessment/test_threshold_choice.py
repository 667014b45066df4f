from __future__ import annotations

import pytest
from tests.assessment.made_output import FIRST, read, spoken

from soritune.assessment.relatedness import Relatedness
from soritune.assessment.threshold_choice import (
    Measured,
    Spoken,
    choose_thresholds,
    figures,
    measure,
    swapped_texts,
)
from soritune.errors import TaskError

TEXTS = ["오늘은 날씨가 좋아요", "내일은 비가 오네요", "네", "우리는 아주 긴 이야기를 오래오래 나누었습니다"]


def made(speaker: str, errors: tuple[float, ...], right: float = 3.0, other: float = 1.0) -> Measured:
    return Measured(
        speaker, Relatedness(right, right), (Relatedness(other, other),), 20, errors, (4.0,) if errors else ()
    )


def test_swapped_texts_have_a_similar_length_and_are_reproducible() -> None:
    clip = Spoken("a", "s", TEXTS[0], spoken(read(TEXTS[0])))
    assert swapped_texts(clip, TEXTS) == [TEXTS[1]] == swapped_texts(clip, TEXTS)


def test_measures_of_a_right_and_of_a_wrong_clip() -> None:
    text = TEXTS[0]
    symbols = read(text)
    right = measure(Spoken("a", "s", text, spoken(symbols)), TEXTS, FIRST, 0)
    assert right is not None
    assert right.errors == ()
    assert right.num_phones == len([symbol for symbol in symbols if symbol != "|"])
    assert right.right is not None
    assert right.swapped[0] is not None
    assert right.right.margin > right.swapped[0].margin + 1
    wrong = measure(Spoken("a", "s", text, spoken(["A", *symbols[1:]])), TEXTS, FIRST, 0)
    assert wrong is not None
    assert len(wrong.errors) == 1


def test_text_that_cannot_be_read_is_left_out() -> None:
    assert measure(Spoken("a", "s", "hello", spoken(read("네"))), TEXTS, FIRST, 0) is None


def test_limits_worked_by_hand() -> None:
    """Ten speakers, 40 phones each; 5 % are two. Nine may have at most two errors, and have two at -7 and one at -3:
    the highest limit of the grid of 0.5 at which a speaker has at most two below it is -3. The tenth has many."""
    measured = []
    for number in range(10):
        errors = (-7.0, -7.0, -3.0) if number else (-30.0,) * 9
        measured += [made(f"s{number}", errors), made(f"s{number}", ())]
    chosen = choose_thresholds(measured, "mine", "Made.")
    assert chosen.phone_log_probability == -3.0
    assert (
        chosen.insertion_log_ratio == 4.0
    )  # one insertion of 40 is more than 1 %, so the limit is at its ratio
    assert chosen.least_margin == pytest.approx(1, abs=3)
    result = figures(measured, chosen)
    assert result["right_accepted"] == 1.0
    assert result["other_rejected"] == 1.0
    assert result["speakers_with_few_wrong"] == 9
    assert result["phones_called_wrong"] == round((9 * 2 + 9) / 400, 4)
    assert "20 clips of 10 speakers" in chosen.origin


def test_limits_of_the_text_keep_the_right_ones_when_they_can() -> None:
    """98 % of the others lie below 2.0, and the right ones above 2.5."""
    measured = [made(f"s{number % 2}", (), 2.5, 1.96) for number in range(49)] + [made("s0", (), 2.5, 3.0)]
    chosen = choose_thresholds(measured, "mine", "Made.")
    assert 1.96 < max(chosen.least_margin, chosen.least_deviation) <= 2.5


@pytest.mark.parametrize("clips", [[made("a", ())] * 30, [made("a", ()), made("b", ())]])
def test_too_few_speakers_or_clips_are_refused(clips: list[Measured]) -> None:
    with pytest.raises(TaskError, match="at least 20 clips of 2 speakers"):
        choose_thresholds(clips, "mine", "Made.")


def test_texts_without_others_of_their_length_are_refused() -> None:
    clip = Measured("a", Relatedness(1, 1), (), 20, (), ())
    other = Measured("b", Relatedness(1, 1), (), 20, (), ())
    with pytest.raises(TaskError, match="no two texts"):
        choose_thresholds([clip, other] * 15, "mine", "Made.")
