"""Texts with more than one reading: the readings stand side by side in the text until all passes are done.

A choice is three private-use characters around its readings, the principal one first. The passes of `normalization.py`
that come after the one that made the choice leave it alone, since none of them looks for these characters.
"""

from __future__ import annotations

import itertools
import re

_OPEN, _NEXT, _CLOSE = "\ue000", "\ue001", "\ue002"
_CHOICE = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")

NUMERAL_END = "\ue003"
"""Stands after a numeral that was written in digits: the joint to its counter is not one inside a noun."""
MARKS = _OPEN + _NEXT + _CLOSE + NUMERAL_END
"""The private characters of this module; they must be removed from a text before it is read."""


def either(principal: str, *others: str) -> str:
    """Return a choice between readings, or the reading itself if there is only one.

    Args:
        principal: the reading that `principal_reading` keeps.
        others: accepted readings; repetitions are ignored.
    """
    readings = list(dict.fromkeys((principal, *others)))
    return principal if len(readings) == 1 else f"{_OPEN}{_NEXT.join(readings)}{_CLOSE}"


def principal_reading(text: str) -> str:
    """Return the text with the first reading of each choice."""
    return text if _OPEN not in text else _CHOICE.sub(lambda match: match[1].split(_NEXT, 1)[0], text)


def all_readings(text: str, limit: int) -> list[str]:
    """Return the text with every combination of readings, those with fewest other readings first.

    Args:
        text: a text with choices.
        limit: how many readings to return at most.
    """
    pieces = _CHOICE.split(text)
    options = [piece.split(_NEXT) for piece in pieces]  # an even piece is plain text and has one option
    slots = [index for index in range(1, len(options), 2) if len(options[index]) > 1]
    readings: list[str] = []
    for departures in range(len(slots) + 1):
        for chosen in itertools.combinations(slots, departures):
            for picks in itertools.product(*(range(1, len(options[slot])) for slot in chosen)):
                picked = dict(zip(chosen, picks, strict=True))
                readings.append("".join(option[picked.get(index, 0)] for index, option in enumerate(options)))
                if len(readings) >= limit:
                    return readings
    return readings
