"""The split of each speaker, and then of each script; the arithmetic is in `corpus/splitting/balance.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.splitting.balance import balance, keeping_cost, ratio_cost
from soritune.corpus.splitting.grouping import Codes, Groups, sums_by
from soritune.errors import SplitError


def assign_groups(
    groups: Groups,
    strata: list[Groups],
    hours: NDArray[np.float64],
    ratios: NDArray[np.float64],
    seed: int,
    kind: str,
) -> Codes:
    """Part of each group, balanced by hours and strata.

    Args:
        groups: Speakers or scripts.
        strata: Groupings whose shares should be alike in all parts.
        hours: (utterances,) lengths.
        ratios: (parts,) share of the hours of each part.
        seed: Breaks ties.
        kind: "speaker" or "script", for messages.

    Returns:
        (groups + 1,) index of the part; the last entry, -1, is for rows without a group.

    Raises:
        SplitError: there are fewer groups than parts.
    """
    if len(groups) < len(ratios):
        few = f"{len(groups)} {kind}{'' if len(groups) == 1 else 's'}"
        raise SplitError(
            f"{few} cannot fill {len(ratios)} splits that share no {kind}; give data of at least {len(ratios)} "
            f"{kind}s, leave out a split (such as 'split.ratios={{train: 0.8, val: 0, test: 0.2}}', or --ratios "
            "0.8,0,0.2), use folds (soritune crossval), or use split.by=[random], with which scores are too good"
        )
    sums = sums_by(groups.codes, len(groups), strata, hours)
    gains = np.repeat(sums[:, None, :], len(ratios), axis=1)
    return np.append(balance(gains, ratio_cost(sums.sum(axis=0), ratios), seed), -1)


def assign_scripts(
    scripts: Groups,
    row_part: Codes,
    strata: list[Groups],
    hours: NDArray[np.float64],
    ratios: NDArray[np.float64],
    seed: int,
) -> Codes:
    """Part of each script given the part of each row's speaker, so that most hours are kept.

    A script that is read in a single part belongs to that part; the others are balanced by `keeping_cost`.

    Args:
        scripts: The scripts.
        row_part: (utterances,) part of each row's speaker, -1 for none.
        strata: Groupings whose shares should be alike in all parts.
        hours: (utterances,) lengths.
        ratios: (parts,) share of the hours of each part.
        seed: Breaks ties.

    Returns:
        (scripts + 1,) index of the part; -1 for a script that no row with a part reads, and as the last entry.
    """
    num_parts = len(ratios)
    known = (scripts.codes >= 0) & (row_part >= 0)
    read = np.zeros((len(scripts), num_parts), dtype=bool)
    read[scripts.codes[known], row_part[known]] = True
    part = np.where(read.any(axis=1), read.argmax(axis=1), -1)
    contested = np.flatnonzero(read.sum(axis=1) > 1)
    if len(contested) == 0:
        return np.append(part, -1)
    index_of = np.full(len(scripts) + 1, -1, dtype=np.int64)
    index_of[contested] = np.arange(len(contested))
    row_index = np.where(known, index_of[scripts.codes], -1)
    cell = np.where(row_index >= 0, row_index * num_parts + row_part, -1)
    gains = sums_by(cell, len(contested) * num_parts, strata, hours).reshape(len(contested), num_parts, -1)
    settled = np.where((row_part >= 0) & (row_index < 0), row_part, -1)
    fixed = sums_by(settled, num_parts, strata, hours)
    total = gains.sum(axis=(0, 1)) + fixed.sum(axis=0)
    part[contested] = balance(gains, keeping_cost(total, ratios), seed, fixed=fixed)
    return np.append(part, -1)
