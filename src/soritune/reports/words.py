"""The texts of a report in the language of its reader, by one catalogue; English is the language of the source.

A catalogue (`report_ko.yaml`) has the English texts as keys. `{name}` stands for a part that differs from report to
report: a label, or a text that is in the catalogue too; `{n}` and the other `NUMBERS` stand for numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal

import yaml

from soritune.reports.templates import resource

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")
NUMBERS = ("n", "total", "length", "least", "size", "steps")
_PART = re.compile(r"\{(\w+)\}")
_SENTENCE = re.compile(r"[A-Za-z]{2,}.* .*[A-Za-z]{2,}")
"""At least two words of English."""


class Words:
    """Translates the texts of one report.

    Args:
        language: of the report.
    """

    def __init__(self, language: Language = "en") -> None:
        self.language = language
        self.missing: list[str] = []
        """Texts with English words that the catalogue does not have."""

    def __call__(self, text: str) -> str:
        """A text of the report; texts of several sentences are translated sentence by sentence."""
        if self.language == "en" or not text:
            return text
        sentences = re.split(r"(?<=\.) ", text)
        done, start = list[str](), 0
        while start < len(sentences):
            end, known = start + 1, None
            for end in range(len(sentences), start, -1):
                known = _translated(" ".join(sentences[start:end]), self.language)
                if known is not None:
                    break
            if known is None and _SENTENCE.search(sentences[start]):
                self.missing.append(sentences[start])
            done.append(known or sentences[start])
            start = end
        return " ".join(done)

    def cell(self, text: str) -> str:
        """A text that may be data, such as a label or an id, which is left unchanged."""
        known = None if self.language == "en" else _translated(text, self.language)
        return text if known is None else known

    def figure(self, svg: str | None) -> str | None:
        """A figure with its texts translated; labels of classes and speakers stay."""
        if svg is None or self.language == "en":
            return svg
        return re.sub(r"(<text\b[^>]*>)([^<]+)(?=</text>)", lambda m: m[1] + self.cell(m[2]), svg)


def catalogue(language: Language) -> Mapping[str, str]:
    """English text to text, for every language but English."""
    return _catalogue(language)[0]


def _translated(text: str, language: Language) -> str | None:
    exact, patterns = _catalogue(language)
    if text in exact:
        return exact[text]
    for pattern, translation in patterns:
        match = pattern.fullmatch(text)
        if match:
            parts = {name: _translated(part, language) or part for name, part in match.groupdict().items()}
            return translation.format(**parts)
    return None


@cache
def _catalogue(language: Language) -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """The texts, and patterns of those with parts; the one with the most letters of its own comes first."""
    texts: dict[str, str] = yaml.safe_load(resource(f"report_{language}.yaml"))
    with_parts = [text for text in texts if _PART.search(text)]
    with_parts.sort(key=lambda text: -len(_PART.sub("", text)))
    return texts, [(_pattern(text), texts[text]) for text in with_parts]


def _pattern(text: str) -> re.Pattern[str]:
    pieces = _PART.split(text)  # texts and names by turns
    return re.compile(
        "".join(
            f"(?P<{piece}>{_content(piece)})" if position % 2 else re.escape(piece)
            for position, piece in enumerate(pieces)
        ),
        re.DOTALL,
    )


def _content(name: str) -> str:
    """What a part may be: a number, or anything within a sentence."""
    return r"[\d,.]+" if name in NUMBERS else r"(?:(?!\. ).)+?"
