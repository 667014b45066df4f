"""The words that synthetic sentences are made of: own lists in `words.tsv`, and the word lists of `korean/`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from soritune.korean.word_classes import word_class

_SHORTEST_LISTED = 2
"""Words of the pronunciation lexicon shorter than this are parts of words."""


@cache
def words(kind: str) -> tuple[str, ...]:
    """The words of one class of `words.tsv`, in the order of the file, each once; `_` there is a space here.

    Args:
        kind: a class of the file; an unknown one is a defect and raises KeyError.
    """
    return _table()[kind]


@cache
def nouns() -> tuple[str, ...]:
    """All things there are: the own nouns, the words whose pronunciation the lexicon lists, nouns of the rules."""
    own = [word for kind in ("thing", "food", "animal", "body", "abstract", "place") for word in words(kind)]
    listed = (files("soritune.korean") / "exceptions.tsv").read_text(encoding="utf-8").splitlines()
    lexicon = [line.split("\t")[0] for line in listed if line and not line.startswith("#")]
    lexicon = [word for word in lexicon if len(word) >= _SHORTEST_LISTED and not word.endswith("-")]
    classes = (
        "lateral_noun",
        "noun_in_ui",
        "insertion_second",
        "lateral_word",
        "plain_suffix_word",
        "tail_약",
    )
    ruled = [word for kind in classes for word in sorted(word_class(kind))]
    return tuple(dict.fromkeys([*own, *lexicon, *ruled]))


@cache
def _table() -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    text = (files("soritune.audio.synthesis") / "words.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kind, members = line.split("\t")
            found.setdefault(kind, {}).update(
                dict.fromkeys(word.replace("_", " ") for word in members.split())
            )
    return {kind: tuple(members) for kind, members in found.items()}
