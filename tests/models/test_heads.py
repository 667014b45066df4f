from __future__ import annotations

import pytest

from soritune.errors import ModelError
from soritune.models.heads import reading_order
from soritune.testing import class_output, ctc_output


def test_output_comes_after_the_one_it_reads() -> None:
    a, b, c = class_output("a", reads="b"), class_output("b", reads="c"), ctc_output("c")
    assert reading_order([a, b, c]) == ("c", "b", "a")
    with pytest.raises(ModelError, match="not an output of this model"):
        reading_order([class_output("a", reads="missing")])
    with pytest.raises(ModelError, match="ring"):
        reading_order([class_output("a", reads="b"), class_output("b", reads="a")])
