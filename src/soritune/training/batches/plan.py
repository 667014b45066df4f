"""The order of training, as a pure function: seed, phase, epoch and step give the utterances of every micro-batch.

Resuming plans the epoch again and indexes it; nothing is iterated. The order does not depend on the number R of
processes: micro-batch j of a step belongs to process j mod R. Next: `training/batches/collate.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from soritune.draws import seed_of
from soritune.training.batches.config import BatchSettings

MAX_BUCKETS = 100
"""Duration buckets of a large corpus: at 100 quantiles a log-normal corpus pads about 1 %."""
BATCHES_PER_BUCKET = 6
"""A small corpus gets fewer buckets, so that a bucket still holds several batches' worth to shuffle."""
MIN_BUCKETS = 8
"""With fewer buckets, utterances are batched with their nearest neighbours in length."""
MAX_PADDING = 0.05
"""Share of padding from which they are too, whatever the number of buckets."""
_LENGTH_JITTER = 0.04
"""Neighbours in length are found after each length is changed by up to this share, so that epochs differ."""
_LENGTH_RATIOS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
"""Shortest to longest utterance of a micro-batch, tried in this order until the padding is at most `MAX_PADDING`."""
_LEAST_FILLS = (0.25, 0.1, 0.0)
"""Share of its budget from which a micro-batch may end before an utterance that is too short for it; tried in order."""


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Micro-batches of one epoch.

    `rows` holds manifest rows back to back; micro-batch m is `rows[offsets[m]:offsets[m + 1]]`. Step s has the
    micro-batches s·G … s·G + G − 1; the last step is filled with empty ones, so that every process takes part in
    every step.
    """

    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    micro_batches_per_step: int
    padded_s: float
    """Seconds including padding, of all micro-batches."""
    speech_s: float
    """Seconds without padding."""

    @property
    def num_micro_batches(self) -> int:
        """Micro-batches, empty ones included."""
        return len(self.offsets) - 1

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the epoch."""
        return self.num_micro_batches // self.micro_batches_per_step

    @property
    def padding_share(self) -> float:
        """Share of the computed seconds that are padding."""
        return 1.0 - self.speech_s / self.padded_s if self.padded_s else 0.0

    def micro_batch(self, index: int) -> NDArray[np.int64]:
        """Manifest rows of micro-batch `index`; none for an empty one at the end of the epoch."""
        return self.rows[self.offsets[index] : self.offsets[index + 1]]


def plan_epoch(
    rows: NDArray[np.int64],
    durations_s: NDArray[np.float64],
    settings: BatchSettings,
    *,
    seed: int,
    phase: int = 0,
    epoch: int = 0,
    shards: NDArray[np.int64] | None = None,
) -> EpochPlan:
    """Plans one epoch.

    Args:
        rows: manifest rows to visit once each.
        durations_s: their durations as they will be computed (after a change of speed), same length.
        settings: size of a micro-batch, number per step, order.
        seed, phase, epoch: the order is a function of these.
        shards: number of the file that has each row, same length; is used by the order "shard_window" alone.
    """
    rng = np.random.default_rng(seed_of(seed, "plan", phase, epoch))
    if settings.order == "shard_window":
        assert shards is not None
        return _plan_in_windows(rows, durations_s, shards, settings, rng)
    by_duration = np.lexsort((rng.random(len(rows)), durations_s))
    sorted_s = durations_s[by_duration]
    sizes, order = _cut(sorted_s, settings, rng)
    rows, sorted_s = rows[by_duration][order], sorted_s[order]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    longest = np.maximum.reduceat(sorted_s, offsets[:-1]) if len(sizes) else np.zeros(0)
    batch_order = _order(
        longest, settings, rng, ascending=settings.first_epoch_ascending and phase == epoch == 0
    )
    pieces = [np.arange(offsets[b], offsets[b + 1]) for b in batch_order]
    sizes = sizes[batch_order]
    return _plan_of(
        rows[np.concatenate(pieces)] if pieces else rows,
        sizes,
        settings,
        padded_s=float((longest[batch_order] * sizes).sum()),
        speech_s=float(sorted_s.sum()),
    )


def _plan_of(
    rows: NDArray[np.int64],
    sizes: NDArray[np.int64],
    settings: BatchSettings,
    *,
    padded_s: float,
    speech_s: float,
) -> EpochPlan:
    """The plan of micro-batches in their order, with empty ones up to a whole step."""
    per_step = settings.micro_batches_per_step
    filler = -len(sizes) % per_step
    return EpochPlan(
        rows=rows,
        offsets=np.concatenate([[0], np.cumsum(sizes), np.full(filler, sizes.sum())]).astype(np.int64),
        micro_batches_per_step=per_step,
        padded_s=padded_s,
        speech_s=speech_s,
    )


def _plan_in_windows(
    rows: NDArray[np.int64],
    durations_s: NDArray[np.float64],
    shards: NDArray[np.int64],
    settings: BatchSettings,
    rng: np.random.Generator,
) -> EpochPlan:
    """The shards in a random order; the rows of `window_shards` of them at a time are planned as an epoch is.

    A reader then has only the shards of a window open, and each is read through in one part of the epoch.
    """
    numbers, codes = np.unique(shards, return_inverse=True)
    position = np.empty(len(numbers), dtype=np.int64)
    position[rng.permutation(len(numbers))] = np.arange(len(numbers))
    window_of = position[codes] // settings.window_shards
    by_window = np.argsort(window_of, kind="stable")
    edges = np.searchsorted(window_of[by_window], np.arange(int(window_of.max(initial=-1)) + 2))
    inside = settings.model_copy(update={"order": "random", "micro_batches_per_step": 1})
    plans = []
    for start, stop in pairwise(edges.tolist()):
        part = by_window[start:stop]
        plans.append(plan_epoch(rows[part], durations_s[part], inside, seed=int(rng.integers(1 << 62))))
    return _plan_of(
        np.concatenate([plan.rows for plan in plans]) if plans else rows,
        np.concatenate([np.diff(plan.offsets) for plan in plans]) if plans else np.zeros(0, dtype=np.int64),
        settings,
        padded_s=sum(plan.padded_s for plan in plans),
        speech_s=sum(plan.speech_s for plan in plans),
    )


def plan_evaluation(
    rows: NDArray[np.int64], durations_s: NDArray[np.float64], *, padded_seconds: float
) -> EpochPlan:
    """All rows, longest first (so that running out of memory shows at once), under a padded-seconds budget."""
    settings = BatchSettings(padded_seconds=padded_seconds, order="descending")
    return plan_epoch(rows, durations_s, settings, seed=0)


def _cut(
    sorted_s: NDArray[np.float64], settings: BatchSettings, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sizes of the micro-batches and the order of the (duration-sorted) utterances inside them.

    A corpus of minutes has too few buckets to be batched without much padding, so that it is batched by length.
    """
    count = len(sorted_s)
    if count == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    typical = _size_for(settings, float(sorted_s.mean()))
    buckets = count // (typical * BATCHES_PER_BUCKET)
    if buckets >= MIN_BUCKETS:
        sizes, order = _cut_in_buckets(sorted_s, settings, rng, min(buckets, MAX_BUCKETS))
        if _padding(sorted_s[order], sizes) <= MAX_PADDING:
            return sizes, order
    return _cut_by_length(sorted_s, settings, rng)


def _size_for(settings: BatchSettings, seconds: float) -> int:
    """Utterances of a micro-batch whose longest utterance has `seconds`."""
    return settings.batch_size or max(1, int((settings.padded_seconds or 0.0) / max(seconds, 1e-3)))


def _padding(durations_s: NDArray[np.float64], sizes: NDArray[np.int64]) -> float:
    """Share of padding in micro-batches that lie back to back."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    padded_s = float((np.maximum.reduceat(durations_s, starts) * sizes).sum())
    return 1.0 - float(durations_s.sum()) / padded_s if padded_s else 0.0


def _cut_by_length(
    sorted_s: NDArray[np.float64], settings: BatchSettings, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `_cut`; every micro-batch has utterances of nearly the same length.

    With `padded_seconds`, a micro-batch ends where utterances become too short for it, even if it is not full. With
    `batch_size`, its size is fixed, and the padding may exceed `MAX_PADDING`.
    """
    lengths = sorted_s * np.exp(rng.uniform(-_LENGTH_JITTER, _LENGTH_JITTER, len(sorted_s)))
    longest_first = np.argsort(lengths, kind="stable")[::-1]
    durations_s = sorted_s[longest_first]
    seconds, sizes = durations_s.tolist(), np.zeros(0, dtype=np.int64)
    for least_fill, ratio in [(1.0, 0.0), *product(_LEAST_FILLS, _LENGTH_RATIOS)]:
        sizes = np.asarray(_sizes(seconds, settings, ratio, least_fill), dtype=np.int64)
        if settings.batch_size or _padding(durations_s, sizes) <= MAX_PADDING:
            break
    return sizes, longest_first


def _sizes(durations_s: list[float], settings: BatchSettings, ratio: float, least_fill: float) -> list[int]:
    """Sizes of consecutive micro-batches, each as large as it may be, of utterances from long to short."""
    sizes: list[int] = []
    size, longest = 0, 0.0
    for duration_s in durations_s:
        longest_then = max(longest, duration_s)
        if settings.batch_size:
            ends = size == settings.batch_size
        else:
            budget_s = settings.padded_seconds or 0.0
            too_short = duration_s < ratio * longest and longest * size >= least_fill * budget_s
            ends = size > 0 and (longest_then * (size + 1) > budget_s or too_short)
        if ends:
            sizes.append(size)
            size, longest_then = 0, duration_s
        size, longest = size + 1, longest_then
    return [*sizes, size] if size else sizes


def _cut_in_buckets(
    sorted_s: NDArray[np.float64], settings: BatchSettings, rng: np.random.Generator, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `_cut`: utterances are shuffled inside quantile buckets.

    Those that do not fill a micro-batch join the next longer bucket.
    """
    count = len(sorted_s)
    edges = np.linspace(0, count, buckets + 1).astype(np.int64)
    sizes: list[int] = []
    order: list[NDArray[np.int64]] = []
    left = np.zeros(0, dtype=np.int64)
    for start, stop in pairwise(edges.tolist()):
        if start == stop:
            continue
        pool = np.concatenate([left, start + rng.permutation(stop - start)])
        size = _size_for(settings, float(sorted_s[stop - 1]))
        full = len(pool) // size
        sizes += [size] * full
        order.append(pool[: full * size])
        left = pool[full * size :]
    if len(left):
        sizes.append(len(left))
        order.append(left)
    return np.asarray(sizes, dtype=np.int64), np.concatenate(order)


def _order(
    longest: NDArray[np.float64], settings: BatchSettings, rng: np.random.Generator, *, ascending: bool
) -> NDArray[np.int64]:
    """Order of the micro-batches.

    "random" draws the micro-batches of a step from different parts of the duration range: they are sorted, cut into
    as many strata as a step has micro-batches, and each stratum is shuffled.
    """
    by_length = np.argsort(longest, kind="stable")
    if ascending or settings.order == "ascending":
        return by_length
    if settings.order == "descending":
        return by_length[::-1]
    per_step = settings.micro_batches_per_step
    strata = [rng.permutation(part) for part in np.array_split(by_length, per_step)]
    steps = max(len(part) for part in strata)
    grid = np.full((steps, per_step), -1, dtype=np.int64)
    for column, part in enumerate(strata):
        grid[: len(part), column] = part
    # Only the last row can have gaps; they become the empty micro-batches at the end of the epoch.
    grid[:-1] = rng.permuted(grid[:-1], axis=1) if steps > 1 else grid[:-1]
    flat = grid.ravel()
    return flat[flat >= 0]
