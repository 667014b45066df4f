"""Licences of what a model was trained on, as far as its card states them, and what they forbid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COMMERCIAL, DERIVATIVES = "commercial use", "derivatives"
"""What a licence may forbid."""
_FORBIDDEN = {
    COMMERCIAL: re.compile(
        r"\bnc\b|non[- ]?commercial|not for commercial|no commercial|research[- ](use )?only|"
        r"only for research|비영리|비상업|상업적 이용 (금지|불가)|연구 ?용|연구 목적",
        re.IGNORECASE,
    ),
    DERIVATIVES: re.compile(
        r"\bnd\b|no[- ]?deriv|변경 ?금지|2차적? ?저작물 ?(작성 ?)?(금지|불가)", re.IGNORECASE
    ),
}
"""Short names of Creative Commons licences, and words of licences in English and Korean. Licences are free text, so
this finds too much rather than too little."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence of a part of the training."""

    subject: str
    """What has this licence: the corpus, recordings of an augmentation, weights that training started from."""
    text: str | None
    """As it was stated; None if it was not."""

    @property
    def forbids(self) -> tuple[str, ...]:
        """What the text forbids: `COMMERCIAL`, `DERIVATIVES`; empty for an unknown licence."""
        return forbidden_by(self.text or "")


def forbidden_by(text: str) -> tuple[str, ...]:
    """What a licence forbids, by its text: "CC BY-NC-ND 4.0" forbids both."""
    return tuple(what for what, pattern in _FORBIDDEN.items() if pattern.search(text.replace("_", "-")))


def licences_of(card: Mapping[str, Any]) -> tuple[Licence, ...]:
    """The licences that the card of a bundle states, and one without a text for each part whose licence is missing.

    The parts are the corpus, the recordings that augmentations added to it, and the bundles that training started from,
    back to the first one. A pretrained encoder that is not a bundle has its own notice (`bundles/notice.py`).
    """
    data = card.get("data") or {}
    sources = ", ".join(map(str, data.get("sources") or ()))
    licences = [Licence(f"corpus ({sources})" if sources else "corpus", _text(card.get("licence")))]
    licences += [
        Licence(f"recordings in {origin.get('folder')}", _text(origin.get("licence")))
        for origin in data.get("recordings") or ()
    ]
    start = card.get("start")
    while isinstance(start, Mapping):
        licences.append(Licence(f"start {start.get('name')}", _text(start.get("licence"))))
        start = start.get("start")
    return tuple(licences)


def _text(licence: object) -> str | None:
    return licence.strip() or None if isinstance(licence, str) else None
