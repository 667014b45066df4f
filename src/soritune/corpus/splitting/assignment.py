"""Which speakers go to which split, and then which scripts; the arithmetic is in `corpus/splitting/balance.py`."""

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
    """Part of each group by hours and strata, (groups + 1,); the last entry, -1, is for rows without a group.

    Raises:
        SplitError: fewer groups than parts.
    """
    if len(groups) < len(ratios):
        few = f"{len(groups)} {kind}{'' if len(groups) == 1 else 's'}"
        raise SplitError(
            f"{few} cannot fill {len(ratios)} splits that share no {kind}; give data of at least "
            f"{len(ratios)} {kind}s, set ratios.val=0 or ratios.test=0, run folds (soritune folds), or use "
            "by=random knowing that scores are then too good"
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
    """Part of each script given the part of each row's speaker, (scripts + 1,); keeps the most hours.

    Scripts read in one part only stay there; the others are balanced by `keeping_cost`.
    """
    num_parts = len(ratios)
    known = (scripts.codes >= 0) & (row_part >= 0)
    read = np.zeros((len(scripts), num_parts), dtype=bool)
    read[scripts.codes[known], row_part[known]] = True
    part = np.where(read.any(axis=1), read.argmax(axis=1), -1)
    contested = np.flatnonzero(read.sum(axis=1) > 1)
    if len(contested) == 0:
        return np.append(part, -1)
    place = np.full(len(scripts) + 1, -1, dtype=np.int64)
    place[contested] = np.arange(len(contested))
    where = np.where(known, place[scripts.codes], -1)
    cell = np.where(where >= 0, where * num_parts + row_part, -1)
    gains = sums_by(cell, len(contested) * num_parts, strata, hours).reshape(len(contested), num_parts, -1)
    settled = np.where((row_part >= 0) & (where < 0), row_part, -1)
    fixed = sums_by(settled, num_parts, strata, hours)
    total = gains.sum(axis=(0, 1)) + fixed.sum(axis=0)
    part[contested] = balance(gains, keeping_cost(total, ratios), seed, fixed=fixed)
    return np.append(part, -1)
