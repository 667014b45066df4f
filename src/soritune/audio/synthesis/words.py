"""The words that synthetic sentences are made of: the lists in `words.tsv`, and the word lists of `korean/`.

Next: `audio/synthesis/verbs.py`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from soritune.korean.word_classes import word_class

_NOUN_CLASSES = ("thing", "food", "animal", "body", "abstract", "place")
"""Classes of `words.tsv` that are nouns."""
_RULE_CLASSES = (
    "lateral_noun",
    "noun_in_ui",
    "insertion_second",
    "lateral_word",
    "plain_suffix_word",
    "tail_약",
)
"""Word classes of the pronunciation rules that are nouns."""
_SHORTEST_LISTED = 2
"""Entries of the pronunciation lexicon with fewer syllables are parts of words."""


@cache
def words(kind: str) -> tuple[str, ...]:
    """The words of one class of `words.tsv`, in the order of the file, without repetitions; `_` becomes a space.

    Args:
        kind: a class of the file. Any other is a defect of the program.

    Raises:
        KeyError: the file has no such class.
    """
    return _table()[kind]


@cache
def nouns() -> tuple[str, ...]:
    """All nouns: those of `words.tsv`, the entries of the pronunciation lexicon, and those of the
    pronunciation rules.

    Their order is fixed, since sentences are drawn by index.
    """
    listed = [word for kind in _NOUN_CLASSES for word in words(kind)]
    lines = (files("soritune.korean") / "exceptions.tsv").read_text(encoding="utf-8").splitlines()
    lexicon = [line.split("\t")[0] for line in lines if line and not line.startswith("#")]
    lexicon = [word for word in lexicon if len(word) >= _SHORTEST_LISTED and not word.endswith("-")]
    from_rules = [word for kind in _RULE_CLASSES for word in sorted(word_class(kind))]
    return tuple(dict.fromkeys([*listed, *lexicon, *from_rules]))


@cache
def _table() -> dict[str, tuple[str, ...]]:
    """Class → its words."""
    table: dict[str, dict[str, None]] = {}
    text = (files("soritune.audio.synthesis") / "words.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kind, members = line.split("\t")
            table.setdefault(kind, {}).update(
                dict.fromkeys(word.replace("_", " ") for word in members.split())
            )
    return {kind: tuple(members) for kind, members in table.items()}
