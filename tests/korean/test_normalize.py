import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.korean import normalize


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("11시 30분", "열한시 삼십분"),
        ("14:05", "십사시 오분"),
        ("6월 10일, 10월 3일", "유월 십일, 시월 삼일"),
        ("2024-06-05", "이천이십사년 유월 오일"),
        ("3개 20살 21명 100명", "세개 스무살 스물한명 백명"),
        ("3개월 10개국", "삼개월 십개국"),
        ("1권", "한권"),
        ("20대 3번째", "이십대 세번째"),
        ("010-1234-5678", "공일공 일이삼사 오육칠팔"),
        ("1,234,567원", "백이십삼만 사천오백육십칠원"),
        ("3.14", "삼쩜일사"),
        ("119에 119명", "일일구에 백십구명"),
        ("30% 5km 36.5℃", "삼십퍼센트 오킬로미터 삼십육쩜오도"),
        ("6·25와 3·1절", "육이오와 삼일절"),
        ("1/2", "이분의 일"),
        ("3~5개", "세개에서 다섯개"),
        ("-5℃", "영하 오도"),
        ("TV를 보는 AI", "티브이를 보는 에이아이"),
        ("韓國(한국)", "한국, 한국"),
        ("한국(韓國)", "한국"),
        ("ㅋㅋㅋ 그래 ㅠㅠ", "그래"),
        ("ㄱ 다음 ㅏ", "기역 다음 아"),
        ("“안녕!” (웃음)", "안녕, 웃음"),
        ("１２３", "백이십삼"),
        ("😀 \u200b", ""),
    ],
)
def test_text_is_read_in_full(text, spoken):
    assert normalize(text) == spoken


@given(st.text(max_size=80))
def test_normalized_text_is_hangul_and_does_not_change_again(text):
    spoken = normalize(text)
    assert all("가" <= character <= "힣" or character in ", " for character in spoken)
    assert normalize(spoken) == spoken
