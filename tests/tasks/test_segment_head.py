"""Settings of the segment head."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from soritune.tasks.segment_head import SegmentHeadSettings


def test_only_what_shapes_the_head_is_stored_with_the_output() -> None:
    stored = SegmentHeadSettings(swapped_texts=0.2, layer=3).stored()
    assert set(stored) == {"width", "embedding", "layers", "reach_frames", "dropout"}
    assert SegmentHeadSettings.model_validate(stored).width == stored["width"]


@pytest.mark.parametrize(
    "settings", [{"swapped_phones": 1.0}, {"swapped_texts": 1.5}, {"width": 0}, {"kind": "x"}]
)
def test_values_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SegmentHeadSettings.model_validate(settings)
