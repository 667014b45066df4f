"""Speakers and scripts assigned to parts, on corpora whose best assignment is worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.corpus.splitting.assignment import assign_groups, assign_scripts
from soritune.corpus.splitting.grouping import Groups
from soritune.errors import SplitError


def groups(codes: list[int], count: int) -> Groups:
    return Groups(np.array(codes), tuple(f"g{number}" for number in range(count)))


def test_groups_are_assigned_by_hours() -> None:
    # Speakers of 6, 2 and 2 hours: the only assignment with the shares 0.6, 0.2 and 0.2 keeps g0 in the first part.
    codes, hours = [0, 0, 1, 2], np.array([3.0, 3.0, 2.0, 2.0])
    part = assign_groups(groups(codes, 3), [], hours, np.array([0.6, 0.2, 0.2]), 0, "speaker")
    assert part.tolist()[0] == 0 and sorted(part.tolist()[1:3]) == [1, 2] and part.tolist()[3] == -1


def test_strata_are_divided_evenly() -> None:
    # Four speakers of an hour, two per gender: each half of the hours gets one of each gender.
    speakers, gender = groups([0, 1, 2, 3], 4), groups([0, 0, 1, 1], 2)
    for seed in range(5):
        part = assign_groups(speakers, [gender], np.ones(4), np.array([0.5, 0.5]), seed, "speaker")
        assert part[0] != part[1] and part[2] != part[3]


def test_fewer_groups_than_parts_are_refused() -> None:
    with pytest.raises(SplitError, match=r"1 speaker cannot fill 2 splits.*at least 2 speakers"):
        assign_groups(groups([0], 1), [], np.ones(1), np.array([0.5, 0.5]), 0, "speaker")


def test_script_of_one_part_stays_in_it() -> None:
    scripts, row_part = groups([0, 0, 1, -1], 3), np.array([1, 1, 0, 0])
    part = assign_scripts(scripts, row_part, [], np.ones(4), np.array([0.5, 0.5]), 0)
    assert part.tolist() == [
        1,
        0,
        -1,
        -1,
    ]  # no row reads the third; the last entry is for rows without a script


def test_contested_scripts_are_divided_by_ratio() -> None:
    # Ten scripts, each read for an hour by a speaker of either part: shares of 0.8 and 0.2 are 8 and 2 scripts.
    scripts = groups([number for number in range(10) for _ in range(2)], 10)
    row_part = np.array([0, 1] * 10)
    part = assign_scripts(scripts, row_part, [], np.ones(20), np.array([0.8, 0.2]), 0)
    assert np.bincount(part[:-1]).tolist() == [8, 2]


def test_rows_without_a_part_contest_no_script() -> None:
    part = assign_scripts(groups([0, 0], 1), np.array([1, -1]), [], np.ones(2), np.array([0.5, 0.5]), 0)
    assert part.tolist() == [1, -1]
