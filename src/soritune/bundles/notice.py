"""The notice of the weights that a model derives from: a licence may require that it goes with every copy.

A folder of a model has it as a file, a bundle in its card and in README.md. Bundles that are trained from either have
it in turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

KEY = "notice"
"""The key of the card."""
NOTICE_FILES = ("NOTICE", "NOTICE.txt", "NOTICE.md", "LICENSE", "LICENSE.txt", "LICENSE.md")
LONGEST = 50_000
"""Characters of a file that are kept; the longest usual licence has 35,000."""


def folder_notice(folder: Path) -> str | None:
    """The text of the notices and licences of a model's folder; None without such a file."""
    return joined_notices(_beginning(folder / name) for name in NOTICE_FILES if (folder / name).is_file())


def joined_notices(notices: Iterable[str | None]) -> str | None:
    """Several notices as one text, without those that are part of another."""
    kept: list[str] = []
    for notice in sorted((text.strip() for text in notices if text), key=len, reverse=True):
        if notice and not any(notice in longer for longer in kept):
            kept.append(notice)
    return "\n\n".join(kept) or None


def notice_section(card: Mapping[str, Any]) -> str | None:
    """The notice of a card as a section of README.md; None without a notice."""
    notice = card.get(KEY)
    if not isinstance(notice, str) or not notice.strip():
        return None
    fence = max((run for run in re.findall("`+", notice)), key=len, default="``") + "`"
    fence = fence if len(fence) >= 3 else "```"
    return f"## Notice\n\nThe weights derive from weights with this notice:\n\n{fence}text\n{notice.strip()}\n{fence}"


def _beginning(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(LONGEST)
