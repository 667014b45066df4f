from __future__ import annotations

import pytest

from soritune.korean.alternatives import principal_reading
from soritune.korean.dates import read_patterns


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("2024.3.1.", "이천이십사년 삼월 일일"),
        ("2024-10-09", "이천이십사년 시월 구일"),
        ("010-1234-5678", "공일공 일이삼사 오육칠팔"),
        ("오후 3:05", "오후 세시 오분"),
        ("오늘은 맑다", "오늘은 맑다"),
    ],
)
def test_fixed_patterns_are_read(text: str, reading: str) -> None:
    """Months 6 and 10 are 유월 and 시월; telephone numbers are read digit by digit (Korean norms)."""
    assert principal_reading(read_patterns(text)).replace(" ", "") == reading.replace(" ", "")
