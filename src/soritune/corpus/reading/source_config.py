"""Settings that every source of a corpus has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from soritune.audio.pcm import PcmFormat


class SourceConfig(BaseModel):
    """Settings of a source; each source subclasses it.

    Unknown keys are refused. A single text stands for a tuple of one text, and a number for its text.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True, coerce_numbers_to_str=True)

    outside_root: bool = False
    """Read relative audio paths that lead out of the corpus folder, such as `../wav/a.wav`; they become absolute."""
    pcm: str | None = None
    """Encoding, sample rate and channels of files without a header (.pcm, .raw), such as `s16le:16000`."""

    @field_validator("pcm")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None:
            PcmFormat.parse(value)
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _tuple_of_one(cls, value: Any, info: ValidationInfo) -> Any:
        expected = cls.model_fields[info.field_name or ""].annotation
        return (value,) if expected == tuple[str, ...] and isinstance(value, (str, int, float)) else value
