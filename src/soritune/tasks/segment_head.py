"""The settings of the segment head, which gives every phone of the text a label. The torch half is
`models/segment_head.py`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from soritune.settings import Settings


class SegmentHeadSettings(Settings):
    """What the head reads of a phone, and how large it is."""

    width: int = Field(192, ge=2)
    """Channels."""
    embedding: int = Field(48, ge=1)
    """Channels of the embedding of a phone."""
    layers: int = Field(1, ge=0, le=8)
    """Convolutions over the phones of a clip, so that a phone is seen with its neighbours."""
    reach_frames: int = Field(4, ge=0, le=1000)
    """Frames before and after those of the phone's label that are pooled, as far as no other phone is nearer."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Dropout in front of each layer."""
    layer: int | str | tuple[int, ...] = "last"
    """What is pooled: "last", "weighted", the number of a transformer layer, or several numbers."""
    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of this output's loss in the total."""
    swapped_texts: float = Field(0.0, ge=0, le=1)
    """Share of the training rows that are given the text of another row; the labels follow from what was spoken."""
    swapped_phones: float = Field(0.0, ge=0, lt=1)
    """In training, share of the phones of each row's text that are replaced by phones of another row's text."""

    def stored(self) -> dict[str, Any]:
        """The settings of the head itself, as an output's `head`."""
        return self.model_dump(include={"width", "embedding", "layers", "reach_frames", "dropout"})
