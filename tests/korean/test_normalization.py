import re
from pathlib import Path

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


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("3>2", "삼은 이보다 크다"),
        ("x≤3", "엑스는 삼보다 작거나 같다"),
        ("a ≥ b", "에이는 비보다 크거나 같다"),
        ("<b>3</b>", "비, 삼, 비"),
        ("1+1=2, 1+1 행사", "일 더하기 일은 이, 원 플러스 원 행사"),
        ("D-5, T-10초, T-50", "디 마이너스 오, 티 마이너스 십초, 티 오십"),
        ("naver.com", "네이버 닷컴"),
        ("www.kbs.co.kr에", "더블유더블유더블유 점 케이비에스 점 시오 점 케이아르에"),
        ("삼성™가 ©2024", "삼성가 이천이십사"),
        ("10\u2009000원, 3 000원", "만원, 삼 공공공원"),
        ("5㎞², 1.5%P", "오제곱킬로미터, 일쩜오퍼센트포인트"),
        ("4분의 3박자", "사분의 삼박자"),
        ("12A석, 84A타입, 5A, 3V", "십이 에이석, 팔십사 에이타입, 오암페어, 삼볼트"),
        ("3세트 스코어, 그릇 3세트", "삼세트 스코어, 그릇 세세트"),
        ("6이랑, 밭 3이랑", "육이랑, 밭 세이랑"),
        ("카메라 4대로", "카메라 네대로"),
        ("1표 차이, 1인 1표", "한표 차이, 일인 일표"),
    ],
)
def test_signs_and_numbers_that_need_their_context_are_read(text, spoken):
    assert normalize(text) == spoken


def test_two_consonants_in_one_sign_are_named():
    assert normalize("ㄺ") == normalize("\u11b0") == "리을기역"


SETS = ("eighth", "ninth")
BLIND = {
    name: [
        line.split("\t")
        for line in (Path(__file__).parent / f"blind_{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    for name in SETS
}
KINDS = sorted({(name, kind) for name in SETS for *_, kind in BLIND[name]})


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_a_blind_set_is_read_as_written_in_its_key(name, kind):
    """The keys give spoken words; spaces do not count, and the point of a decimal may be written 점."""
    rows = [(_unescape(text), key) for text, key, of_kind in BLIND[name] if of_kind == kind]
    wrong = [
        (text, normalize(text))
        for text, key in rows
        if _bare(normalize(text)) not in {_bare(form) for form in key.split("/")}
    ]
    assert rows
    assert wrong == []


def _unescape(text):
    """Return a text with its escapes as the invisible signs that they stand for."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)


def _bare(spoken):
    return spoken.replace(" ", "").replace(",", "").replace("쩜", "점")


@given(st.text(max_size=80))
def test_normalized_text_is_hangul_and_does_not_change_again(text):
    spoken = normalize(text)
    assert all("가" <= character <= "힣" or character in ", " for character in spoken)
    assert normalize(spoken) == spoken
