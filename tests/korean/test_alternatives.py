from __future__ import annotations

from soritune.korean.alternatives import MARKS, all_readings, either, principal_reading


def test_single_reading_is_not_a_choice() -> None:
    assert either("삼", "삼") == "삼"


def test_principal_reading_is_the_first_of_each_choice() -> None:
    text = f"{either('세', '삼')} 번 {either('출구', '출입구')}"
    assert principal_reading(text) == "세 번 출구"
    assert principal_reading("세 번") == "세 번"
    assert not set(principal_reading(text)) & set(MARKS)


def test_combinations_with_fewest_other_readings_come_first() -> None:
    text = f"{either('가', '나')}{either('다', '라', '마')}"
    assert all_readings(text, 10) == ["가다", "나다", "가라", "가마", "나라", "나마"]
    assert all_readings(text, 3) == ["가다", "나다", "가라"]
    assert all_readings("가", 5) == ["가"]
