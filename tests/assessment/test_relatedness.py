from __future__ import annotations

import numpy as np
import pytest
from tests.assessment.made_output import FIRST, LAST, read, spoken
from tests.assessment.test_alignment import drawn

from soritune.assessment.alignment import log_likelihood
from soritune.assessment.expected import expected_of_phones, expected_of_text
from soritune.assessment.relatedness import decoys_of, log_likelihoods, relatedness


@pytest.mark.parametrize("blank", [0, 3])
def test_several_sequences_at_once_equal_each_alone(blank: int) -> None:
    given = drawn(8, 5, 0)
    sequences = [[1], [1, 1, 2], [2, 4, 2, 1], [4, 4, 4, 4], []]
    expected = [log_likelihood(given, ids, blank) for ids in sequences]
    assert log_likelihoods(given, sequences, blank) == pytest.approx(expected)
    assert log_likelihoods(drawn(2, 5, 0), [[1, 1, 1]], blank) == [-np.inf]
    assert log_likelihoods(given, [[]], blank) == pytest.approx([given[:, blank].sum()])


@pytest.mark.parametrize("labels", [FIRST, LAST])
def test_right_text_fits_and_another_does_not(labels: tuple[str, ...]) -> None:
    blank = labels.index("[PAD]")
    given = spoken(read("오늘은 날씨가 좋아요"), labels)
    right = relatedness(expected_of_text("오늘은 날씨가 좋아요", given, labels, blank), given, labels, blank)
    other = relatedness(expected_of_text("어제는 버스를 탔어요", given, labels, blank), given, labels, blank)
    assert right is not None
    assert other is not None
    assert right.margin > 4
    assert right.deviation > 4
    assert other.margin < 1
    assert other.deviation < 2


def test_decoys_have_the_words_of_the_text_and_are_the_same_each_time() -> None:
    given = spoken(read("나비 봐요"))
    expected = expected_of_text("나비 봐요", given, FIRST, 0)
    decoys = decoys_of(expected)
    assert decoys == decoys_of(expected)
    assert len(set(decoys)) > 12
    assert all(decoy.count("|") == 1 for decoy in decoys)


def test_one_phone_has_no_decoys() -> None:
    given = spoken(["AH"], ("[PAD]", "AH"))
    expected = expected_of_phones(["AH"], ("[PAD]", "AH"))
    assert relatedness(expected, given, ("[PAD]", "AH"), 0) is None
