"""Outcomes of reading a corpus, counted by their kind; one sentence about what was rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soritune.corpus.checks import Quarantined


@dataclass(slots=True)
class Tally:
    """All outcomes of one kind."""

    kind: str
    reason: str
    """That of the first one."""
    example: str
    """The first one: what it is and, where it was rejected, why."""
    count: int = 0


def add_to(tallies: dict[str, Tally], kind: str, reason: str, example: str, count: int = 1) -> None:
    """Counts outcomes under their kind; the first outcome of a kind gives reason and example."""
    tallies.setdefault(kind, Tally(kind, reason, example)).count += count


def commonest(rows: Sequence[Quarantined]) -> str:
    """The number of rejected rows, and the first row of the commonest kind; of equally common kinds the first."""
    tallies: dict[str, Tally] = {}
    for row in rows:
        add_to(tallies, row.kind, row.reason, f"{row.audio or row.id}: {row.reason}")
    tally = max(tallies.values(), key=lambda tally: tally.count)
    such_as = (
        "" if len(rows) == 1 else "such as " if len(tallies) == 1 else f"{tally.count:,} of them such as "
    )
    return f"{len(rows):,} rejected; {such_as}{tally.example}"
