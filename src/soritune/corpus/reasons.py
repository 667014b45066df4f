"""Reasons of rejections, told together where they are of one kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from soritune.corpus.checks import Quarantined


def kind_of(reason: str) -> str:
    """A reason without the names and numbers that make it one case's own.

    >>> kind_of("data.csv line 7: has 3 cells, the header has 2"), kind_of("a.json: is no JSON (line 1)")
    ('has # cells, the header has #', 'is no JSON')
    """
    place = re.match(r"[^:]*(?:\.\w+|line \d+|')\s*: ", reason)
    bare = reason[place.end() :] if place else reason
    bare = re.sub(r"\s*\(.*\)", "", bare)
    bare = re.sub(r"'(?!field)[^']*'", "'…'", bare) if not bare.startswith("field '") else bare
    return re.sub(r"\d+(?:(?:[-,.]|, | and )\d+)*", "#", bare)


def commonest(rows: Sequence[Quarantined]) -> str:
    """How many rows were rejected, and the first one of the commonest kind."""
    kinds = Counter(kind_of(row.reason) for row in rows)
    kind, count = kinds.most_common(1)[0]
    first = next(row for row in rows if kind_of(row.reason) == kind)
    most = "" if len(rows) == 1 else f"{count:,} of them such as " if len(kinds) > 1 else "such as "
    return f"{len(rows):,} rejected; {most}{first.audio or first.id}: {first.reason}"
