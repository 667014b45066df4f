"""The optional morphological analyser (kiwipiepy), used only for words whose spelling is ambiguous.

The pronunciation of most words does not depend on their parts. The others (신고 'report' or 'wearing', the object
책을 and the adnominal 읽을) are passed to Kiwi with their whole phrase, and its tags replace the analysis of
`morphology.py` for these words.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from soritune.errors import TextError
from soritune.korean.morphology import Analysis, analyse, certain_futures

Retag = Callable[[str, Sequence[str], Sequence[bool]], list[Analysis | None]]
"""Takes a phrase, its words and which of them are doubtful; returns an analysis for each doubtful word."""

_INSTALL_HINT = "kiwipiepy is not installed; install it (pip install kiwipiepy) or use tagger='none'"


def kiwi_installed() -> bool:
    """Tell whether kiwipiepy can be imported, without importing it."""
    return importlib.util.find_spec("kiwipiepy") is not None


def load_tagger(required: bool) -> Retag | None:
    """Return the function that calls Kiwi, or None when it is neither installed nor required.

    The analyser (about a second, some hundred megabytes) is loaded at the first doubtful word.

    Args:
        required: raise instead of returning None.

    Raises:
        TextError: kiwipiepy is required and not installed.
    """
    if not kiwi_installed():
        if required:
            raise TextError(_INSTALL_HINT)
        return None
    loaded: list[Any] = []

    def retag(phrase: str, words: Sequence[str], doubtful: Sequence[bool]) -> list[Analysis | None]:
        if not loaded:
            loaded.append(importlib.import_module("kiwipiepy").Kiwi(num_workers=1))
        return _read_tokens(loaded[0].tokenize(phrase), words, doubtful)

    return retag


def _read_tokens(
    tokens: Sequence[Any], words: Sequence[str], doubtful: Sequence[bool]
) -> list[Analysis | None]:
    """Turn Kiwi's tokens of a phrase (words joined by single spaces) into analyses of its doubtful words."""
    analyses: list[Analysis | None] = []
    first = 0
    position = 0
    for word, is_doubtful in zip(words, doubtful, strict=True):
        end = position + len(word)
        last = first
        while last < len(tokens) and tokens[last].start < end:
            last += 1
        analyses.append(
            _from_tokens(word, position, tokens[first:last], len(words) == 1) if is_doubtful else None
        )
        first, position = last, end + 1
    return analyses


def _from_tokens(word: str, offset: int, tokens: Sequence[Any], alone: bool) -> Analysis:
    """Replace the guessed joints of one word by those of its tokens."""
    guess = analyse(word)
    stems: set[int] = set()
    futures: set[int] = set()
    genitives: set[int] = set()
    compounds: set[int] = set()
    inside_noun: set[int] = set()
    ends_in_future = False
    last = len(word) - 1
    for previous, token in zip((None, *tokens), tokens, strict=False):
        start, tag, form = token.start - offset, token.tag, token.form
        if tag[0] == "E" and form[0] in "ᆯ을":
            if tag == "ETM" and len(form) == 1 and start + token.len - 1 == last:
                ends_in_future = True
            elif start < last:
                futures.add(start)
        if tag[0] == "N":
            inside_noun.update(range(start, start + token.len - 1))
        if previous is None or token.start < previous.start + previous.len or start <= 0:
            continue
        if previous.tag[0] == "V" and previous.tag != "VCP" and tag[0] == "E":
            stems.add(start - 1)
        elif start - 1 in guess.stems and previous.tag[0] == "N" and tag[0] in "EV":
            stems.add(start - 1)  # no ending follows a noun with a coda, so the tag is wrong
        elif tag == "JKG":
            genitives.add(start)
        elif previous.tag[:2] in ("NN", "XP") and tag[:2] == "NN":
            compounds.add(start - 1)
    # Kiwi keeps derived nouns (줄넘기, 모심기) whole, and a lone word gives it no context.
    stems.update(boundary for boundary in guess.stems if (boundary in inside_noun and boundary > 0) or alone)
    return replace(
        guess,
        stems=frozenset(stems),
        futures=certain_futures(guess).union(futures),
        genitives=frozenset(genitives),
        compounds=frozenset(compounds),
        ends_in_future=ends_in_future,
        may_end_in_future=ends_in_future or guess.may_end_in_future,
        modifies=bool(tokens) and tokens[-1].tag in ("ETM", "MM"),
    )
