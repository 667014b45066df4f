"""Characters that a phone label derived from text loses: emoji, other scripts, Hanja without a reading.

They are counted over a corpus and reported once, with an example. `korean/normalization.py` decides what has no
reading.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from soritune.corpus.utterance import Utterance
from soritune.korean import unread

_KOREAN = re.compile(r"[가-힣ㄱ-ㅎㅏ-ㅣ\u1100-\u11ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_QUOTED = 3


def text_to_pronounce(utterance: Utterance) -> str | None:
    """The Korean text that a row's phones would be derived from; None if it has phones or no Korean text."""
    text = utterance.text
    return text if text and utterance.phones is None and _KOREAN.search(text) else None


@dataclass
class UnreadCount:
    """How many texts have characters without a reading, and which."""

    texts: int = 0
    affected: int = 0
    characters: Counter[str] = field(default_factory=Counter)
    """Run of characters without a reading → texts with it."""
    first: str = ""
    """The first text with one."""

    def add(self, text: str | None) -> None:
        """Counts one text; None is not counted."""
        if not text:
            return
        self.texts += 1
        lost = unread(text)
        if lost:
            self.affected += 1
            self.characters.update({item.text for item in lost})
            self.first = self.first or text

    @property
    def sentence(self) -> str:
        """How many texts lose characters, the commonest of them, and the first text."""
        quoted = ", ".join(f"'{text}' ({count:,})" for text, count in self.characters.most_common(_QUOTED))
        return (
            f"{self.affected:,} of {self.texts:,} texts have characters without a reading, such as {quoted}, which "
            f"phones derived from the text leave out; the first text: '{self.first[:60]}'"
        )
