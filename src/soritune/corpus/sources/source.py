"""The contract of a corpus source: a file here that binds `SOURCE` can be named in `soritune prepare`.

A source walks a corpus folder and yields what it finds, one by one, never the whole corpus at once. It needs
not open audio: lengths and rates are filled in by `corpus/prepare.py`, so `duration_s` may be 0. Its header
says what the corpus is, who made it, its licence, its layout and its known faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from soritune.corpus.utterance import Utterance

_LONGEST = 500


class SourceConfig(BaseModel):
    """Settings of a source; each source subclasses it. Unknown keys are refused; one text stands for a list of
    one, a number for its text."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.model_fields[info.field_name or ""].annotation
        return (value,) if wanted == tuple[str, ...] and isinstance(value, (str, int, float)) else value


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something in the corpus that cannot become an utterance; goes to `quarantine.jsonl`. Very long texts are cut."""

    audio: str
    reason: str
    id: str = ""

    def __post_init__(self) -> None:
        for name in ("audio", "reason", "id"):
            object.__setattr__(self, name, shortened(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is fine but not wanted by the settings; only counted, by reason."""

    reason: str
    count: int = 1
    example: str = ""
    """One of them, shown by `soritune sources preview`."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth knowing about what is kept; only counted, by reason, and not among what was found."""

    reason: str
    count: int = 1
    example: str = ""
    """One of them, shown by `soritune sources preview`."""


Found = Utterance | Rejected | Skipped | Note


def shortened(text: str, longest: int = _LONGEST) -> str:
    """`text`, cut where it is longer than `longest`.

    >>> shortened("가나다라마", 4)
    '가나다…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


@dataclass(frozen=True, slots=True)
class Survey:
    """What the corpus's own fields are called, whatever the settings make of them; for `sources preview`."""

    looked_at: int
    """How many rows or files were looked at."""
    examples: Mapping[str, Any]
    """Field, spelt as the settings want it → the first value that is not empty."""
    used: Mapping[str, str]
    """Field → what it becomes: an utterance field, or `extra`. Fields that become nothing are not in it."""


@dataclass(frozen=True)
class Source:
    """A member of this folder."""

    Config: type[SourceConfig]
    read: Callable[[Path, Any], Iterator[Found]]
    """`read(root, config)`; audio paths are relative to `base(root, config)`, or absolute.

    Raises:
        SorituneError: the corpus as a whole cannot be read.
    """
    description: str
    """One line for `soritune prepare --help`."""
    base: Callable[[Path, Any], Path] = lambda root, config: root
    """The manifest's root for a corpus at `root`."""
    survey: Callable[[Path, Any, int], Survey] | None = None
    """`survey(root, config, limit)` looks at the first `limit` rows or label files; None where a source reads
    no fields of the corpus's own.

    Raises:
        SorituneError: the corpus as a whole cannot be read.
    """
