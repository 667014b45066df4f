"""The word classes of the rules, stored in `word_classes.tsv` (class, tab, members)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def _classes() -> dict[str, frozenset[str]]:
    """Read the whole table once."""
    members: dict[str, set[str]] = {}
    table = (files("soritune.korean") / "word_classes.tsv").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            name, words = line.split("\t")
            members.setdefault(name, set()).update(words.split())
    return {name: frozenset(words) for name, words in members.items()}


def word_class(name: str) -> frozenset[str]:
    """Return the members of one class.

    Args:
        name: a class of `word_classes.tsv`.

    Raises:
        KeyError: no such class, which is a defect of the caller.
    """
    return _classes()[name]
