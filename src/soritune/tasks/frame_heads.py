"""The head of an output per frame: what is between the encoder's state and the linear layer with a row per label.

The torch half is `models/sequence_head.py`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from soritune.settings import Settings
from soritune.tasks.labels import OutputSettings

FrameHeadKind = Literal["linear", "convolution", "gru"]


class FrameHeadSettings(Settings):
    """The settings of such a head."""

    kind: FrameHeadKind = "linear"
    """Linear is nothing but the linear layer, as in transformers. Convolution and gru are a layer norm, a
    projection to `width` channels, and residual convolutions along time or a bidirectional GRU: for encoders that are
    not trained themselves."""
    width: int = Field(256, ge=2, multiple_of=2)
    """Channels; a GRU has half of them in each direction."""
    layers: int = Field(1, ge=1, le=8)
    """Convolutions, or layers of the GRU."""
    kernel_frames: int = Field(5, ge=3, le=101)
    """Frames that a convolution reads, an odd number."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout behind the projection and behind each layer."""

    @field_validator("kernel_frames")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(
                f"{value} is even; a convolution reads the same number of frames on both sides, so give an odd number"
            )
        return value

    def stored(self) -> dict[str, Any]:
        """The settings that act, as an output's `head`; {} for "linear"."""
        if self.kind == "linear":
            return {}
        return self.model_dump(exclude={"kernel_frames"} if self.kind == "gru" else set())

    def idle_settings(self, prefix: str) -> dict[str, str]:
        """Settings that the kind does not have, as `TaskConfig.idle_settings`; `prefix` is the name of the head."""
        idle = {"linear": ("width", "layers", "kernel_frames", "dropout"), "gru": ("kernel_frames",)}
        return {f"{prefix}.{name}": f"with {prefix}.kind={self.kind}" for name in idle.get(self.kind, ())}


class FrameOutputSettings(OutputSettings):
    """Settings of an output per frame."""

    head: FrameHeadSettings = Field(default_factory=FrameHeadSettings)
    """What is between the encoder's state and the linear layer."""
