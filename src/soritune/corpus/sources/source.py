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

from soritune.corpus.reading.items import Item
from soritune.corpus.reading.source_config import SourceConfig


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
    read: Callable[[Path, Any], Iterator[Item]]
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
