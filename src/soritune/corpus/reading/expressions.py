"""JMESPath expressions that pick values out of a corpus's JSON, with Hangul keys written bare.

JMESPath (https://jmespath.org) needs double quotes around keys with anything but ASCII letters: `"발화정보".stt`.
Quotes inside quotes inside YAML are easily written wrong, so bare Hangul words are quoted here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from soritune.corpus.reading.outcomes import ReadingError
from soritune.korean.hangul import composed

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`(?:\\.|[^`\\])*`|\w+', re.DOTALL)
Path = tuple[str, ...]


class Expression:
    """A checked expression.

    Raises:
        ValueError: the text is not JMESPath; the message quotes it and gives the position of the fault.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._compiled = jmespath.compile(quoted(composed(text)))
        except JMESPathError as error:
            fault = str(error).splitlines()[0].rstrip(":").removeprefix("Bad jmespath expression: ")
            fault = re.sub(r"^.*(?=Parse error)|, for expression$", "", fault)
            raise ValueError(
                f"'{text}' is not a JMESPath expression ({fault}); keys with spaces or signs need double quotes, "
                'as in "key one".text'
            ) from error
        if (unknown := next(_unknown_functions(self._compiled.parsed), None)) is not None:
            known = ", ".join(sorted(Functions.FUNCTION_TABLE))
            raise ValueError(f"'{text}' calls '{unknown}', which is not a function of JMESPath: {known}")
        self.paths: frozenset[Path] = frozenset(_paths(self._compiled.parsed))
        """The keys it reads, outermost first, without list indices."""

    def search(self, document: Any) -> Any:
        """The value of the expression; None if nothing fits.

        Raises:
            ReadingError: a function in it does not accept its argument in this document.
        """
        try:
            return self._compiled.search(document)
        except Exception as error:  # jmespath does not catch the errors of its functions
            fault = (str(error) or type(error).__name__).splitlines()[0]
            raise ReadingError("expression", f"'{self.text}' fails: {fault}") from error

    def reads(self, path: Path) -> bool:
        """Whether the expression reads a key path, or something above it."""
        return any(path[: len(prefix)] == prefix for prefix in self.paths)


def quoted(text: str) -> str:
    """`text` with double quotes around bare words that have letters beyond ASCII; strings are left unchanged."""
    return _TOKEN.sub(
        lambda m: m[0] if m[0][0] in "\"'`" or m[0].isascii() else json.dumps(m[0], ensure_ascii=False), text
    )


def compiled(expressions: Mapping[str, str]) -> dict[str, Expression]:
    """Name → checked expression.

    Raises:
        ValueError: a text is not JMESPath; the message begins with its name.
    """
    checked = {}
    for name, text in expressions.items():
        try:
            checked[name] = Expression(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return checked


def leaves(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Key paths of all values in a document; of a list, only the first element is walked."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(document, list) and document:
        yield from leaves(document[0], path)
    else:
        yield path, document


def spelt(path: Path) -> str:
    """A key path as it is written in an expression."""
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
