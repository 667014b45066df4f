from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.labels import label_index, one_hot, rate, read_symbols, symbol_ids


def test_unknown_label_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        TaskError, match=r"emotion 'Kindd' is not in the label set \(Anxious, Kind\); did you mean 'Kind'"
    ):
        label_index("Kindd", ("Anxious", "Kind"), "emotion")
    assert label_index("Kind", ("Anxious", "Kind"), "emotion") == 1


def test_large_label_set_is_described_by_its_size() -> None:
    with pytest.raises(TaskError, match=r"phone 'zz' is not in the label set \(13 symbols\)$"):
        label_index("zz", tuple("abcdefghijklm"), "phone")


def test_symbols_become_the_columns_of_their_labels() -> None:
    ids = symbol_ids(["b", "a", "b"], {"a": 3, "b": 7}, "phone")
    assert ids.tolist() == [7, 3, 7]
    assert ids.dtype == np.int64
    assert symbol_ids([], {"a": 3}, "phone").shape == (0,)
    with pytest.raises(TaskError, match="phone 'c' is not in the label set"):
        symbol_ids(["a", "c"], {"a": 3}, "phone")


def test_one_hot_is_float32_with_a_single_one() -> None:
    target = one_hot(2, 4)
    assert target.tolist() == [0.0, 0.0, 1.0, 0.0]
    assert target.dtype == np.float32


def test_dropped_symbols_are_removed_after_decoding() -> None:
    """a <s> a: the special token separates two a, whose probabilities are 0.5 and 0.9."""
    labels = ("[PAD]", "a", "<s>")
    probabilities = np.array([[0.3, 0.5, 0.2], [0.1, 0.1, 0.8], [0.05, 0.9, 0.05]], dtype=np.float32)
    symbols, confidence = read_symbols(np.log(probabilities), labels, dropped=("<s>",))
    assert symbols == ["a", "a"]
    assert confidence == pytest.approx(0.7, abs=1e-6)


def test_output_without_symbols_has_confidence_zero() -> None:
    silence = np.log(np.array([[0.9, 0.1]], dtype=np.float32))
    assert read_symbols(silence, ("[PAD]", "a"), dropped=()) == ([], 0.0)


def test_rate_of_nothing_is_nan() -> None:
    assert rate(3, 4) == 0.75
    assert np.isnan(rate(0, 0))
