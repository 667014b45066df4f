import pytest

from soritune.korean import boundaries as b
from soritune.korean.compounds import compound_marks, spells_compound
from soritune.korean.morphology import analyse


@pytest.mark.parametrize(
    ("word", "boundary", "kind"),
    [
        ("판단력", 1, b.NO_LATERAL),
        ("손등", 0, b.TENSE),
        ("갈등", 0, b.TENSE),
        ("학생용", 1, b.INSERT_N),
        ("값있는", 0, b.REPRESENTATIVE),
        ("밟는", 0, b.BAP),
        ("신고", 0, b.STEM),
        ("할게", 0, b.TENSE),
        ("깃발", 0, b.SPELLED_S),
        ("디귿이", 1, b.LETTER_NAME),
        ("윗옷", 0, b.REPRESENTATIVE),
        ("시적", 0, b.TENSE),
        ("외적인", 0, b.TENSE),
        ("분홍빛", 1, b.TENSE),
        ("엄지손가락", 2, b.TENSE),
        ("해설자", 1, b.TENSE),
    ],
)
def test_boundary_has_the_expected_principal_kind(word, boundary, kind):
    assert compound_marks(analyse(word))[boundary][0][0] == kind


GENERAL = "신라 손목 절절하다 부작용 옷이 잔디 감도 알지 방법 깨끗이 외적 별사탕 풋사과 남긴 남길 챙길 건설도"


@pytest.mark.parametrize("word", GENERAL.split())
def test_word_without_special_joints_has_no_marks(word):
    assert compound_marks(analyse(word)) == {}


def test_coda_s_spells_a_compound_only_in_compounds():
    assert [
        spells_compound(word, boundary)
        for word, boundary in (("빗방울", 0), ("빗질", 0), ("옷감", 0), ("냇가", 0))
    ] == [
        True,
        False,
        False,
        True,
    ]
