import re
from collections import Counter
from importlib.resources import files

import pytest

from soritune.korean import normalize, variants
from soritune.korean.counters import find_counter, read_counted

ROWS = [
    line.split("\t")
    for line in (files("soritune.korean") / "counters.tsv").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
COUNTERS = {counter: row[2] for row in ROWS if row[0] == "counter" for counter in row[1].split()}


@pytest.mark.parametrize(
    ("digits", "following", "spoken"),
    [
        ("6", "월", "유"),
        ("6", "월드컵", "육"),
        ("13", "시", "십삼"),
        ("0", "개", "영"),
        ("3", "개월", "삼"),
        ("3", "단계", "삼"),
        ("3", " 명이", "세"),
        ("2", "도시락", "이"),
        ("05", "월", "오"),
        ("1", "번째", "첫"),
        ("4", "째", "넷"),
        ("105", "명", "백다섯"),
        ("3", "시경에", "세"),
    ],
)
def test_counter_decides_the_numerals(digits, following, spoken):
    assert re.sub("[\ue000\ue002]", "", read_counted(digits, following)).split("\ue001")[0] == spoken


def test_counter_is_found_by_the_longest_match():
    assert [find_counter(text) for text in ("개월 동안", " 명이", "번길", "판사", "세대주")] == [
        *("개월", " 명", "번길", "", "세대"),
    ]


def test_a_counter_has_one_rule_and_every_row_a_reason():
    counts = Counter(counter for row in ROWS if row[0] == "counter" for counter in row[1].split())
    assert [counter for counter, count in counts.items() if count > 1] == []
    assert len(counts) > 500
    assert all(len(row) == 4 and row[3] for row in ROWS)


def test_contexts_belong_to_counters_that_both_count_and_name():
    for kind, members, _, _ in ROWS:
        if kind.startswith(("thing_", "count_")) and members != "*":
            assert COUNTERS[members] in ("count", "number"), members
        elif kind in ("form", "variant_form", "attached", "open"):
            assert set(members.split()) <= set(COUNTERS)


@pytest.mark.parametrize("counter", sorted(COUNTERS))
def test_number_after_je_is_sino_korean_with_every_counter(counter):
    for digits, sino in (("1", "일"), ("2", "이"), ("3", "삼"), ("14", "십사")):
        if counter == "학번":
            continue
        assert normalize(f"제{digits}{counter}") == f"제{sino}{counter}"


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        # 번: the number of a thing, or how often
        ("8번 출구로 나와 3번 물었다", "팔번 출구로 나와 세번 물었다"),
        ("하루 2번, 정답은 2번", "하루 두번, 정답은 이번"),
        ("오늘 6번 버스를 2번 탔다", "오늘 육번 버스를 두번 탔다"),
        ("2반 14번", "이반 십사번"),
        ("7번을 눌러", "칠번을 눌러"),
        ("중앙로 5번길", "중앙로 오번길"),
        # 장, 권, 편, 막: parts of a text, or how many
        ("4막 3장", "사막 삼장"),
        ("사진 3장", "사진 세장"),
        ("5장 7절", "오장 칠절"),
        ("시편 3편", "시편 삼편"),
        ("책 3권", "책 세권"),
        # 대: vehicles, against great things, generations and ages
        ("버스 2대", "버스 두대"),
        ("4대 도시", "사대 도시"),
        ("5대 호수", "오대 호수"),
        ("2대째", "이대째"),
        ("40대 가수", "사십대 가수"),
        ("자동차 40대", "자동차 마흔대"),
        # 부, 분, 점, 쪽, 단
        ("2부 공연", "이부 공연"),
        ("신문 2부", "신문 두부"),
        ("손님 2분", "손님 두분"),
        ("2분", "이분"),
        ("그림 4점", "그림 네점"),
        ("4점", "사점"),
        ("쪽파 2단", "쪽파 두단"),
        ("2단 우산", "이단 우산"),
        # attached to a name
        ("영업2팀", "영업이팀"),
        ("2팀", "두팀"),
        # old measures (article 17 of the Standard Language rules)
        ("쌀 4되", "쌀 넉되"),
        ("금 3돈", "금 서돈"),
        ("98학번", "구팔학번"),
    ],
)
def test_context_decides_between_the_number_of_a_thing_and_a_count(text, spoken):
    assert normalize(text) == spoken


def test_the_other_reading_of_a_number_is_a_variant():
    assert variants("3번", tagger="none") == ["세번", "삼번"]
    assert variants("1번 출구", tagger="none") == ["일번 출구", "한번 출구"]
    assert "삼권" in variants("3권", tagger="none")
    assert variants("3마리", tagger="none") == ["세마리"]


def test_counted_number_of_five_digits_has_one_reading():
    assert read_counted("12345", "명").replace(" ", "") == "만이천삼백사십오"
