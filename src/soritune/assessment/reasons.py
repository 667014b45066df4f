"""Why a recording is not assessed, and warnings about its text, in Korean and English: `reasons.yaml`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from soritune.korean import normalize

_LATIN = re.compile(r"[A-Za-z\uff21-\uff3a\uff41-\uff5a]")


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    text = (files("soritune.assessment") / "reasons.yaml").read_text(encoding="utf-8")
    content: Mapping[str, Mapping[str, str]] = yaml.safe_load(text)
    return content


def reason_text(key: str, **facts: Any) -> dict[str, str]:
    """A reason as `ko` and `en`.

    Args:
        key: an outcome, or another entry of the list.
        facts: what its text has in braces.
    """
    return {language: text.format(**facts) for language, text in _texts()[key].items()}


def text_warnings(text: str | None) -> list[dict[str, str]]:
    """What a reader must know about how a text was read: words with Latin letters, and how they were read.

    Returns:
        A list of `code`, `ko` and `en`, one entry per word.

    >>> [warning["code"] for warning in text_warnings("weekend에 만나요")]
    ['latin-letters']
    """
    if not text:
        return []
    words = dict.fromkeys(word for word in text.split() if _LATIN.search(word))
    return [
        {"code": "latin-letters", **reason_text("latin-letters", word=word, read=normalize(word))}
        for word in words
    ]
