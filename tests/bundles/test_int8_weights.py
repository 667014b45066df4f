from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.bundles import int8_weights
from soritune.bundles.int8_weights import LEAST_VALUES, SCALE, from_int8, to_int8


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices of a few values are stored as int8 too."""
    monkeypatch.setattr(int8_weights, "LEAST_VALUES", 1)


@pytest.mark.usefixtures("any_size")
def test_rows_worked_by_hand() -> None:
    """Row 1: scale 12.7 / 127 = 0.1. Row 2: scale 254 / 127 = 2; 3 is 1.5 steps and goes to the even 2 → 4."""
    weights = {"w": np.array([[12.7, -0.31, 0.04, -12.7], [254.0, 3.0, -2.9, 0.0]], np.float32)}
    stored = to_int8(weights)
    assert stored["w"].dtype == np.int8
    assert stored["w"].tolist() == [[127, -3, 0, -127], [127, 2, -1, 0]]
    assert stored["w" + SCALE].dtype == np.float32
    assert stored["w" + SCALE] == pytest.approx([0.1, 2.0])
    again = from_int8(stored)
    assert list(again) == ["w"] and again["w"].dtype == np.float32
    assert again["w"] == pytest.approx(np.array([[12.7, -0.3, 0.0, -12.7], [254.0, 4.0, -2.0, 0.0]]))


@pytest.mark.usefixtures("any_size")
def test_a_row_is_an_output_channel_of_a_convolution() -> None:
    kernel = np.zeros((2, 2, 3), np.float32)
    kernel[0, 1, 2], kernel[1] = -127.0, 0.5
    stored = to_int8({"conv": kernel})
    assert stored["conv"].shape == (2, 2, 3)
    assert stored["conv" + SCALE] == pytest.approx([1.0, 0.5 / 127])
    assert stored["conv"][0].ravel().tolist() == [0, 0, 0, 0, 0, -127]
    assert np.array_equal(from_int8(stored)["conv"][0], kernel[0])


@given(seed=st.integers(0, 10_000), spread=st.floats(1e-3, 1e3))
def test_no_value_changes_by_more_than_half_a_step(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    weights = (rng.standard_t(2, (64, 1024)) * spread * rng.uniform(0.01, 1, (64, 1))).astype(np.float32)
    half_a_step = np.abs(weights).max(axis=1, keepdims=True) / 254
    change = np.abs(from_int8(to_int8({"w": weights}))["w"] - weights)
    assert (change <= half_a_step * 1.0001).all()


def test_packing_twice_changes_nothing_more() -> None:
    weights = {"w": np.random.default_rng(1).normal(size=(256, 512)).astype(np.float32)}
    once = to_int8(weights)
    twice = to_int8(from_int8(once))
    assert np.array_equal(once["w"], twice["w"])
    assert once["w" + SCALE] == pytest.approx(twice["w" + SCALE], rel=1e-6)


def test_small_arrays_and_vectors_stay_in_half_precision() -> None:
    rng = np.random.default_rng(0)
    below, vector = rng.normal(size=(255, 257)), rng.normal(size=LEAST_VALUES)
    stored = to_int8(
        {"below": below, "vector": vector, "scalar": np.float32(0.1).reshape(()), "at": np.ones((256, 256))}
    )
    assert {name: value.dtype.name for name, value in stored.items()} == {
        "below": "float16",
        "vector": "float16",
        "scalar": "float16",
        "at": "int8",
        "at" + SCALE: "float32",
    }
    again = from_int8(stored)
    assert np.array_equal(again["below"], below.astype(np.float16).astype(np.float32))
    assert np.array_equal(again["at"], np.ones((256, 256), np.float32))


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-39, 3e38])
def test_extreme_rows_stay_finite_and_in_range(value: float) -> None:
    stored = to_int8({"w": np.full((1, 4), value, np.float32)})
    assert np.abs(stored["w"].astype(int)).max() <= 127
    assert from_int8(stored)["w"] == pytest.approx(np.full((1, 4), value), rel=0.01, abs=1e-38)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"w": np.full((300, 300), np.nan)}, "w has values that are not finite"),
        ({"b": np.array([np.inf])}, "b has values that are not finite"),
        ({"b": np.array([70_000.0])}, "b does not fit into half precision"),
    ],
)
def test_weights_that_cannot_be_stored_are_refused(weights: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        to_int8(weights)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"w" + SCALE: None}, "the scales of w are missing"),
        ({"w": None}, "it has scales of w, which it lacks"),
        (
            {"w" + SCALE: np.ones(3, np.float32)},
            r"the scales of w are float32 \(3,\), which do not fit its shape \(2, 4\)",
        ),
        ({"w" + SCALE: np.ones(2, np.float64)}, r"the scales of w are float64 \(2,\), which do not fit"),
        ({"w" + SCALE: np.array([1, np.nan], np.float32)}, "the scales of w are not finite numbers from 0"),
        ({"w" + SCALE: np.array([1, -1], np.float32)}, "the scales of w are not finite numbers from 0"),
    ],
)
@pytest.mark.usefixtures("any_size")
def test_damaged_scales_are_reported(change: dict[str, Any], sentence: str) -> None:
    stored = {**to_int8({"w": np.ones((2, 4), np.float32)}), **change}
    with pytest.raises(ValueError, match=sentence):
        from_int8({name: value for name, value in stored.items() if value is not None})
