"""Ids that occur twice are found exactly, whatever they are made of."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.corpus import repeated_ids as module
from soritune.corpus.repeated_ids import repeated_ids


@given(
    st.lists(st.lists(st.text("가나ab\0/", max_size=4), max_size=12), max_size=4),
    st.booleans(),
)
def test_the_same_as_counting(parts: list[list[str]], large: bool) -> None:
    chunks = [pa.array(part, pa.large_string() if large else pa.string()) for part in parts]
    counts = Counter(name for part in parts for name in part)
    assert repeated_ids(lambda: chunks) == {name: count for name, count in counts.items() if count > 1}


def test_slices_of_a_larger_column() -> None:
    column = pa.array(["x", "a", "", "b", "a", "x", "x"])
    assert repeated_ids(lambda: [column.slice(1, 2), column.slice(3, 2)]) == {"a": 2}


def test_equal_numbers_of_different_ids_are_no_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_numbers", lambda chunk: np.zeros(len(chunk), dtype=np.uint64))
    assert repeated_ids(lambda: [pa.array(["a", "b", "c"]), pa.array(["b"])]) == {"b": 2}


def test_ids_of_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 64)
    names = [f"발화-{number}" for number in range(500)]
    assert repeated_ids(lambda: [pa.array(names)]) == {}
    assert repeated_ids(lambda: [pa.array(names), pa.array(names[100:102])]) == {names[100]: 2, names[101]: 2}


def test_long_ids_that_differ_at_the_end_only() -> None:
    ids = [f"{'a' * 100_000}{letter}" for letter in "abca"]
    assert repeated_ids(lambda: [pa.array(ids)]) == {ids[0]: 2}
