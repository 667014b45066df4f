from __future__ import annotations

import numpy as np
import pytest

from soritune.errors import TaskError
from soritune.tasks.parts.labels import label_index, rate


def test_unknown_labels_are_named_with_the_nearest() -> None:
    with pytest.raises(
        TaskError, match=r"emotion 'Kindd' is not in the label set \(Anxious, Kind\); did you mean 'Kind'"
    ):
        label_index("Kindd", ("Anxious", "Kind"), "emotion")


def test_rate_of_nothing_is_nan() -> None:
    assert rate(3, 4) == 0.75
    assert np.isnan(rate(0, 0))
