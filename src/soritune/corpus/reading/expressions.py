"""JMESPath expressions that pick values out of a corpus's JSON, with Hangul keys written bare.

JMESPath (https://jmespath.org) wants keys with anything but ASCII letters in double quotes: `"발화정보".stt`.
Quotes inside quotes inside YAML are where mappings go wrong, so bare Hangul words are quoted here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from soritune.korean.hangul import composed

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`(?:\\.|[^`\\])*`|\w+', re.DOTALL)
Path = tuple[str, ...]


class Expression:
    """A checked expression.

    Raises:
        ValueError: it is no JMESPath; the message quotes it and says where.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._compiled = jmespath.compile(quoted(composed(text)))
        except JMESPathError as error:
            told = str(error).splitlines()[0].rstrip(":").removeprefix("Bad jmespath expression: ")
            told = re.sub(r"^.*(?=Parse error)|, for expression$", "", told)
            raise ValueError(
                f"'{text}' is no JMESPath expression ({told}); keys with spaces or signs need double quotes, "
                'as in "key one".text'
            ) from error
        if (unknown := next(_unknown_functions(self._compiled.parsed), None)) is not None:
            known = ", ".join(sorted(Functions.FUNCTION_TABLE))
            raise ValueError(f"'{text}' calls '{unknown}', which is none of JMESPath's functions: {known}")
        self.paths: frozenset[Path] = frozenset(_paths(self._compiled.parsed))
        """The keys it walks through, outermost first, list indices left out."""

    def search(self, document: Any) -> Any:
        """What the expression finds; None for nothing.

        Raises:
            ValueError: a function in it cannot take what is there.
        """
        try:
            return self._compiled.search(document)
        except Exception as error:  # jmespath lets through whatever its functions run into
            told = (str(error) or type(error).__name__).splitlines()[0]
            raise ValueError(f"'{self.text}' fails: {told}") from error

    def reads(self, path: Path) -> bool:
        """Whether the expression looks at a key path, or at something above it."""
        return any(path[: len(own)] == own for own in self.paths)


def quoted(text: str) -> str:
    """`text` with bare words that hold letters beyond ASCII put in double quotes; strings stay as they are."""
    return _TOKEN.sub(
        lambda m: m[0] if m[0][0] in "\"'`" or m[0].isascii() else json.dumps(m[0], ensure_ascii=False), text
    )


def compiled(expressions: Mapping[str, str]) -> dict[str, Expression]:
    """Name → checked expression.

    Raises:
        ValueError: one is no JMESPath; the message begins with its name.
    """
    found = {}
    for name, text in expressions.items():
        try:
            found[name] = Expression(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return found


def leaves(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Key paths of all values in a document, lists walked by their first element only."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(document, list) and document:
        yield from leaves(document[0], path)
    else:
        yield path, document


def spelt(path: Path) -> str:
    """A key path as one would write it in an expression."""
    return ".".join(
        key if re.fullmatch(r"[^\W\d]\w*", key) else json.dumps(key, ensure_ascii=False) for key in path
    )


def _unknown_functions(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression" and node["value"] not in Functions.FUNCTION_TABLE:
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _unknown_functions(child)


def _paths(node: Mapping[str, Any]) -> Iterator[Path]:
    kind, children = node["type"], node["children"]
    if kind == "field":
        yield (node["value"],)
    elif kind == "current":
        yield ()
    elif kind in ("subexpression", "index_expression", "pipe", "projection", "value_projection"):
        heads = list(_paths(children[0]))
        tails = [path for child in children[1:] if isinstance(child, dict) for path in _paths(child)]
        yield from ((*head, *tail) for head in heads for tail in tails) if heads and tails else heads or tails
    elif kind == "filter_projection":
        heads, tails = list(_paths(children[0])), list(_paths(children[1]))
        yield from ((*head, *tail) for head in heads for tail in tails) if heads and tails else heads or tails
        yield from ((*head, *tail) for head in heads for tail in _paths(children[2]))
    else:
        for child in children:
            if isinstance(child, dict):
                yield from _paths(child)
