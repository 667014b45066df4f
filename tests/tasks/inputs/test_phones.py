"""The phones of a text as an input."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.inputs.input import kind_of, values_in_request
from soritune.tasks.inputs.phones import INPUT
from soritune.tasks.specs import InputSpec

OPTIONS = {"symbols": ["[PAD]", "a", "b", "sil"], "dropped": ["sil"], "fold": ["case", "stress"]}
SPEC = InputSpec("canonical", "canonical", "text", "phones", optional=True, options=OPTIONS)


def test_phones_become_ids_without_silence() -> None:
    for value in ("sil b A0 sil b", ["sil", "b", "a", "b"], ("B", "a1", "b")):
        assert INPUT.encode(SPEC, value).tolist() == [2, 1, 2]
    assert values_in_request([SPEC], {"text": "a b"}) == {"canonical": "a b"}
    assert values_in_request([SPEC], {"text": ""}) == {}


def test_unknown_phone_and_blank_are_refused() -> None:
    with pytest.raises(TaskError, match="phone 'x'"):
        INPUT.encode(SPEC, ["a", "x"])
    plain = InputSpec("canonical", "canonical", "text", "phones", options={"symbols": ["[PAD]", "a"]})
    with pytest.raises(TaskError, match="the blank"):
        INPUT.encode(plain, ["[PAD]"])
    with pytest.raises(TaskError, match="2 to 256"):
        kind_of(InputSpec("c", "c", "c", "phones", options={"symbols": ["a"]}))


def test_more_phones_than_frames_count_as_none() -> None:
    rows = [np.array([1, 2, 1]), None, np.array([2])]
    arrays = INPUT.pad(SPEC, rows, np.array([2, 4, 3]))
    assert arrays["canonical"].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0]]
    assert arrays["canonical_present"].tolist() == [True, False, True]


def test_part_of_a_recording_has_no_phones() -> None:
    assert len(INPUT.cut(SPEC, np.array([1, 2]), 0, 10, 20)) == 0
