"""Parts of the training and validation splits: nested shares by hours, and a sample that looks like the whole.

Both are functions of the seed and the rows alone, so they are the same at every evaluation and after every
interruption. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest
from soritune.draws import row_draws, seed_of

STRATA = ("age", "speaker")


def nested_rows(
    rows: NDArray[np.int64],
    durations_s: NDArray[np.float64],
    speakers: Sequence[str | None],
    share: float,
    *,
    seed: int,
) -> NDArray[np.int64]:
    """Whole rows that make up `share` of the hours, in the order of `rows`; every speaker gives about that share.

    Each speaker's rows are shuffled, and a row's place is the share of the speaker's hours before its middle. All
    rows sorted by place make one list, of which a share is a beginning: a smaller share is part of a larger one.

    Args:
        rows: manifest rows.
        durations_s: seconds of each of them.
        speakers: speaker of each of them; None counts as one speaker.
        share: of the hours, over 0; the row that comes nearest to it is the last.
        seed: another seed, another list.
    """
    if share >= 1.0 or len(rows) == 0:
        return rows
    _, speaker = np.unique(np.array([name or "" for name in speakers]), return_inverse=True)
    draws = row_draws(seed_of(seed, "share"), rows)
    order = np.lexsort((draws, speaker))
    seconds = durations_s[order]
    first = np.r_[True, np.diff(speaker[order]) != 0]
    group = np.cumsum(first) - 1
    total = np.bincount(group, weights=seconds)
    before = np.cumsum(seconds) - seconds
    place = (before - before[first][group] + seconds / 2) / np.maximum(total[group], 1e-9)
    listed = order[np.lexsort((draws[order], place))]
    reached = np.cumsum(durations_s[listed])
    count = int(np.argmin(np.abs(reached - share * reached[-1]))) + 1
    return rows[np.sort(listed[:count])]


def visited_rows(
    rows: NDArray[np.int64], weights: NDArray[np.float64], *, num_rows: int, epoch: int, seed: int
) -> NDArray[np.int64]:
    """Visits of one epoch to `rows`: a row of weight w gets w of them on the average, evenly over the epochs.

    After e epochs it has come floor(u + e·w) times, with u drawn once per row: weight 0.25 is each row exactly once
    in any four epochs, weight 2 twice in each.

    Args:
        rows: manifest rows.
        weights: of each of them, not negative.
        num_rows: of the manifest.
        epoch: counted from 0.
        seed: another seed, other epochs for the same row.

    Returns:
        Each visit as row + n · `num_rows`, n counting the visits to that row in this epoch from 0, so that every visit
        has draws of its own.
    """
    begin = row_draws(seed_of(seed, "visits"), rows)
    times = np.floor(begin + (epoch + 1) * weights) - np.floor(begin + epoch * weights)
    counts = times.astype(np.int64)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    visits: NDArray[np.int64] = np.repeat(rows, counts) + num_rows * (np.arange(counts.sum()) - first)
    return visits


def sampled_rows(
    rows: NDArray[np.int64], strata: Sequence[Sequence[object]], count: int, *, seed: int
) -> NDArray[np.int64]:
    """`count` of `rows`, in their order, every stratum with its share to within one row.

    Rows are sorted by stratum, shuffled inside, and every (n / count)-th is taken (systematic sampling).

    Args:
        rows: manifest rows.
        strata: values that rows are grouped by, one sequence per field, the coarsest first.
        count: how many; all where there are no more.
        seed: another seed, another sample.
    """
    if count >= len(rows):
        return rows
    keys = [np.unique([str(value) for value in field], return_inverse=True)[1] for field in strata]
    draws = row_draws(seed_of(seed, "validation sample"), rows)
    order = np.lexsort((draws, *reversed(keys)))
    start = float(np.random.default_rng(seed_of(seed, "sample start")).random())
    picked = ((np.arange(count) + start) * len(rows) / count).astype(np.int64)
    return rows[np.sort(order[picked])]


def validation_sample(
    manifest: Manifest, rows: NDArray[np.int64], count: int | None, *, seed: int
) -> NDArray[np.int64]:
    """The rows an evaluation takes: `count` of them by age and speaker, or all."""
    if count is None or count >= len(rows):
        return rows
    return sampled_rows(rows, [values_of(manifest, name, rows) for name in STRATA], count, seed=seed)


def values_of(manifest: Manifest, name: str, rows: NDArray[np.int64]) -> list[object]:
    """A column's values of some rows."""
    return list(manifest.column(name).take(rows).to_pylist())
