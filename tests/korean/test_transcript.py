import pytest

from soritune.korean.transcript import clean_transcript


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("b/ 어제 (7시)/(일곱 시)에 n/", "어제 일곱 시에"),
        ("o/ 그+ 그게/ 뭐* 있잖아 l/", "그 그게 뭐 있잖아"),
        ("<noise> 안녕 [웃음] @이름1 반가워", "안녕 반가워"),
        ("1/2 컵", "1/2 컵"),
    ],
)
def test_annotation_is_removed(raw, cleaned):
    assert clean_transcript(raw) == cleaned


def test_side_and_fillers_follow_the_settings():
    assert clean_transcript("(TV)/(티비)를 봐", side="spelling") == "TV를 봐"
    assert clean_transcript("음/ 그+ 가자", keep_fillers=False) == "가자"
