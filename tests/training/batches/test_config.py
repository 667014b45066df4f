from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from soritune.training.batches.config import BatchSettings


@pytest.mark.parametrize(
    "sizes", [{}, {"batch_size": None, "padded_seconds": None}, {"batch_size": 2, "padded_seconds": 3.0}]
)
def test_exactly_one_size_is_required(sizes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give either batch_size or padded_seconds, and set the other"):
        BatchSettings.model_validate(sizes)


@pytest.mark.parametrize("weight", [-0.1, 1000.0])
def test_source_weight_out_of_range_is_named(weight: float) -> None:
    with pytest.raises(ValidationError, match=rf"small is {weight}; a weight is a number from 0 to 1000"):
        BatchSettings.model_validate({"batch_size": 1, "source_weights": {"large": 1.0, "small": weight}})


def test_source_weight_of_zero_is_allowed() -> None:
    settings = BatchSettings.model_validate({"batch_size": 1, "source_weights": {"large": 0.0}})
    assert settings.source_weights == {"large": 0.0}


@pytest.mark.parametrize(
    "setting",
    [
        {"batch_size": 0},
        {"padded_seconds": 0.0},
        {"batch_size": 1, "label_smoothing": 1.0},
        {"batch_size": 1, "micro_batches_per_step": 0},
        {"batch_size": 1, "num_workers": -1},
        {"batch_size": 1, "order": "shuffled"},
    ],
)
def test_values_out_of_range_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=rf"\n{list(setting)[-1]}\n"):
        BatchSettings.model_validate(setting)
