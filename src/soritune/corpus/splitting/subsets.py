"""Subsets of the training and validation splits: nested shares by hours, and a representative sample.

They depend only on the seed and the rows, so they are the same at every evaluation and after every interruption.
Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest
from soritune.draws import row_draws, seed_of
from soritune.identities import identity

STRATA = ("age", "speaker")


def nested_rows(
    rows: NDArray[np.int64],
    durations_s: NDArray[np.float64],
    speakers: Sequence[str | None],
    share: float,
    *,
    seed: int,
) -> NDArray[np.int64]:
    """Whole rows with `share` of the hours, in the order of `rows`; about this share of every speaker.

    Each speaker's rows are shuffled, and a row's position is the share of the speaker's hours before its middle. All
    rows are sorted by position, and a share is the beginning of this list: a smaller share is part of a larger one.

    Args:
        rows: manifest rows.
        durations_s: seconds of each row.
        speakers: speaker of each row; all rows with None count as one speaker.
        share: of the hours, above 0; the list ends at the row that comes nearest to it.
        seed: another seed gives another list.
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
    position = (before - before[first][group] + seconds / 2) / np.maximum(total[group], 1e-9)
    listed = order[np.lexsort((draws[order], position))]
    reached = np.cumsum(durations_s[listed])
    count = int(np.argmin(np.abs(reached - share * reached[-1]))) + 1
    return rows[np.sort(listed[:count])]


def visited_rows(
    rows: NDArray[np.int64], weights: NDArray[np.float64], *, num_rows: int, epoch: int, seed: int
) -> NDArray[np.int64]:
    """Visits of one epoch to `rows`: a row of weight w has w visits on average, evenly over the epochs.

    After e epochs it has had floor(u + e·w) visits, with u drawn once per row: with weight 0.25 exactly one visit
    in any four epochs, with weight 2 two visits in each.

    Args:
        rows: manifest rows.
        weights: of each row, not negative.
        num_rows: of the manifest.
        epoch: counted from 0.
        seed: another seed gives other epochs for the same row.

    Returns:
        Each visit as row + n · `num_rows`, where n counts the visits to the row in this epoch from 0, so that
        every visit has its own draws.
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
    """`count` of `rows`, in their order; every stratum has its share to within one row.

    Rows are sorted by stratum, shuffled within it, and every (n / count)-th is taken (systematic sampling).

    Args:
        rows: manifest rows.
        strata: values by which rows are grouped, one sequence per field, the coarsest first.
        count: size of the sample; all rows if there are fewer.
        seed: another seed gives another sample.
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
    """The rows of an evaluation: a sample of `count` by age and speaker, or all."""
    if count is None or count >= len(rows):
        return rows
    return sampled_rows(rows, [values_of(manifest, name, rows) for name in STRATA], count, seed=seed)


def values_of(manifest: Manifest, name: str, rows: NDArray[np.int64]) -> list[object]:
    """The values of a column in some rows; speakers as `identity` compares them."""
    values = manifest.column(name).take(rows).to_pylist()
    return [identity(value) for value in values] if name == "speaker" else list(values)
