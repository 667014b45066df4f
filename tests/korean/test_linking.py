import pytest

from soritune.korean import boundaries as b
from soritune.korean.linking import link_marks
from soritune.korean.morphology import analyse


@pytest.mark.parametrize(
    ("left", "right", "phrase", "word"),
    [
        ("할", "수", b.TENSE, b.TENSE),
        ("갈", "사람", b.TENSE, b.HALT),
        ("책을", "사람", b.HALT, b.HALT),
        ("밭", "아래", b.REPRESENTATIVE, b.HALT),
        ("한", "일", b.INSERT_N, b.HALT),
        ("못", "이기다", b.INSERT_N, b.HALT),
        ("밥", "먹는다", b.PLAIN, b.HALT),
        ("나는", "어머니의", b.HALT, b.HALT),
    ],
)
def test_joint_over_a_space_has_the_expected_kind(left, right, phrase, word):
    first, second = analyse(left), analyse(right)
    assert link_marks(first, second, "phrase")[0][0] == phrase
    assert link_marks(first, second, "word")[0][0] == word
