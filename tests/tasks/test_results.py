from __future__ import annotations

import numpy as np

from soritune.tasks.results import Prediction, add_counts


def test_counts_are_added_key_by_key() -> None:
    parts = [{"a": np.array([1.0, 2.0])}, {"a": np.array([3.0, 4.0]), "b": np.array(5.0)}, {"b": np.array(6)}]
    total = add_counts(parts)
    assert {name: values.tolist() for name, values in total.items()} == {"a": [4.0, 6.0], "b": 11.0}
    assert total["b"].dtype == np.float64


def test_sum_of_counts_leaves_its_parts_unchanged() -> None:
    first = {"a": np.array([1.0])}
    assert add_counts([first, first, first])["a"].tolist() == [3.0]
    assert first["a"].tolist() == [1.0]
    add_counts([first])["a"][0] = 9.0
    assert first["a"].tolist() == [1.0]


def test_sum_of_no_counts_is_empty() -> None:
    assert add_counts([]) == {}


def test_json_of_a_prediction_has_the_task_beside_its_fields() -> None:
    prediction = Prediction("emotion", {"label": "Kind", "confidence": 0.5})
    assert prediction.to_json() == {"task": "emotion", "label": "Kind", "confidence": 0.5}
    assert Prediction.from_json(prediction.to_json()) == prediction
