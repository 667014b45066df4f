"""Settings that every source of a corpus has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class SourceConfig(BaseModel):
    """Settings of a source; each source subclasses it. Unknown keys are refused; one text stands for a list of
    one, a number for its text."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.model_fields[info.field_name or ""].annotation
        return (value,) if wanted == tuple[str, ...] and isinstance(value, (str, int, float)) else value
