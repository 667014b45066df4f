from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.objectives.ctc import blank_of
from soritune.tasks.objectives.objective import check_output, objective_of
from soritune.tasks.specs import OutputSpec
from soritune.testing import ctc_output

SPEC = ctc_output()
CTC = objective_of(SPEC)


@pytest.mark.parametrize(
    ("symbols", "frames"), [([], 0), ([1], 1), ([1, 2, 3], 3), ([1, 1], 3), ([1, 1, 1, 2], 6)]
)
def test_frames_needed_by_ctc(symbols: list[int], frames: int) -> None:
    assert CTC.frames_needed(SPEC, np.array(symbols, dtype=np.int64)) == frames


def test_rows_with_too_few_frames_or_no_symbol_are_refused() -> None:
    assert CTC.row_fault(SPEC, np.array([1, 1, 2]), 4) is None
    assert CTC.row_fault(SPEC, np.array([1, 1, 2]), 3) == "3 phoneme symbols need 4 frames, there are 3"
    assert CTC.row_fault(SPEC, np.array([], np.int64), 3) == "its phoneme label has no symbol"


@pytest.mark.parametrize("symbols", [[1, 1, 2], (1, 1, 2)])
def test_list_of_ids_is_treated_like_an_array(symbols: Any) -> None:
    """Two equal neighbours need a blank between them: four frames."""
    assert CTC.target_fault(SPEC, symbols) is None
    assert CTC.frames_needed(SPEC, symbols) == 4
    assert CTC.row_fault(SPEC, symbols, 3) == "3 phoneme symbols need 4 frames, there are 3"
    assert CTC.pad(SPEC, [symbols], np.array([4])).values.tolist() == [[1, 1, 2]]


@pytest.mark.parametrize(
    "target", [np.array([0.5]), np.array([[1]]), np.array([12]), np.array([-1]), np.array([0])]
)
def test_invalid_ids_are_refused(target: np.ndarray) -> None:
    """0 is the blank; there are 12 labels, 0 to 11."""
    assert "its phoneme target cannot be used" in str(CTC.row_fault(SPEC, target, 9))


def test_rows_are_padded_and_counted_in_symbols() -> None:
    padded = CTC.pad(SPEC, [np.array([3, 4]), None, np.array([5])], np.array([9, 9, 9]), label_smoothing=0.5)
    assert padded.values.tolist() == [[3, 4], [0, 0], [5, 0]]
    assert padded.lengths.tolist() == [2, 0, 1]
    assert padded.present.tolist() == [True, False, True]
    assert padded.count == 3


@pytest.mark.parametrize("blank", [12, -1, "0", None, True, False])
def test_blank_that_is_not_a_label_is_refused(blank: object) -> None:
    with pytest.raises(TaskError, match="'phoneme' has blank"):
        check_output(ctc_output(options={"blank": blank}))
    assert blank_of(ctc_output(options={})) == 0


def test_rows_of_another_head_match_by_role_and_by_symbol() -> None:
    """By hand: the blank goes to the other's blank by role, `|` to `<space>`, `a` to `a`; the other's
    blank is not the symbol `-` here."""
    ours = OutputSpec("p", ("[PAD]", "|", "a", "b", "-"), "frame", "ctc", options={"blank": 0})
    theirs = OutputSpec("_", ("a", "<space>", "c", "-"), "frame", "ctc", options={"blank": 3})
    assert CTC.matching_rows(ours, theirs) == [3, 1, 0, None, None]


def test_head_with_only_special_symbols_matching_is_new() -> None:
    ours = OutputSpec("p", ("[PAD]", "|", "a"), "frame", "ctc", options={"blank": 0})
    theirs = OutputSpec("_", ("<pad>", "|", "b"), "frame", "ctc", options={"blank": 0})
    assert CTC.matching_rows(ours, theirs) == [None, None, None]


def test_objective_names_its_blank_and_others_have_no_blank() -> None:
    assert CTC.blank_of(ctc_output(options={"blank": 2})) == 2
    assert CTC.blank_of(ctc_output(options={})) == 0
    other = OutputSpec("emotion", ("a", "b"), "utterance", "cross_entropy")
    assert objective_of(other).blank_of(other) is None
