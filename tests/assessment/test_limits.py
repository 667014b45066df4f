"""Limits of one assessment: its size before the work, and a stop in every part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.assessment.made_output import FIRST, read, spoken

from soritune.assessment.alignment import log_likelihood, occupancy, viterbi
from soritune.assessment.expected import expected_of_text, ids_of
from soritune.assessment.gop import score_slots
from soritune.assessment.limits import TOO_LARGE, Stopped, check_size, check_stop, limited
from soritune.assessment.relatedness import log_likelihoods
from soritune.errors import TaskError

TEXT = "주의 나라의 시계"
"""With several accepted forms."""
SYMBOLS = read(TEXT)
GIVEN = spoken(SYMBOLS)
IDS = ids_of(SYMBOLS, FIRST)
PARTS: dict[str, Callable[[], Any]] = {
    "best path": lambda: viterbi(GIVEN, IDS, 0),
    "probability": lambda: log_likelihood(GIVEN, IDS, 0),
    "occupancy": lambda: occupancy(GIVEN, IDS, 0),
    "decoys": lambda: log_likelihoods(GIVEN, [IDS, IDS[1:]], 0),
    "slots": lambda: score_slots(GIVEN, IDS, 0, [5, 6], alignment=PATH),
    "forms": lambda: expected_of_text(TEXT, GIVEN, FIRST, 0),
}
PATH = viterbi(GIVEN, IDS, 0)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_stops_when_it_is_asked_to(part: str) -> None:
    """At the first and at the last time that it asks, so that what comes between stops too."""
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return asked == stop_at

    stop_at = -1
    with limited(10**9, count):
        PARTS[part]()
    times, asked = asked, 0
    assert times >= (1 if part == "slots" else len(GIVEN) - 1)
    for stop_at in (1, times):
        asked = 0
        with limited(10**9, count), pytest.raises(Stopped):
            PARTS[part]()
        assert asked == stop_at


@pytest.mark.parametrize("part", ["best path", "probability", "forms"])
def test_size_is_checked_before_the_work(part: str) -> None:
    cells = len(GIVEN) * len(IDS)
    with limited(cells, lambda: False):
        PARTS[part]()
    with limited(cells - 1, lambda: True), pytest.raises(TaskError, match="send shorter parts") as caught:
        PARTS[part]()
    assert caught.value.kind == TOO_LARGE


def test_outside_there_is_no_limit() -> None:
    with pytest.raises(Stopped), limited(0, lambda: True):
        check_stop()
    check_stop()
    check_size(10**9, 10**9)
