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

from pydantic import BaseModel, ConfigDict

from soritune.corpus.utterance import Utterance


class SourceConfig(BaseModel):
    """Settings of a source; each source subclasses it. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something in the corpus that cannot become an utterance; goes to `quarantine.jsonl`."""

    audio: str
    reason: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is fine but not wanted by the settings, or worth knowing; only counted, by reason."""

    reason: str
    count: int = 1
    example: str = ""
    """One of them, shown by `soritune sources preview`."""


Found = Utterance | Rejected | Skipped


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
