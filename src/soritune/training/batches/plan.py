"""The order of training, as a pure function: seed, phase, epoch and step give the utterances of every micro-batch.

Resuming plans the epoch again and indexes it; nothing is iterated. The order does not depend on the number R of
processes: micro-batch j of a step belongs to process j mod R. Next: `training/batches/collate.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soritune.draws import seed_of
from soritune.training.batches.config import BatchSettings

MAX_BUCKETS = 100
"""Duration buckets of a large corpus: at 100 quantiles a log-normal corpus pads about 1 %."""
BATCHES_PER_BUCKET = 6
"""A small corpus gets fewer buckets, so that a bucket still holds several batches' worth to shuffle."""


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
) -> EpochPlan:
    """Plans one epoch.

    Args:
        rows: manifest rows to visit once each.
        durations_s: their durations as they will be computed (after a change of speed), same length.
        settings: size of a micro-batch, number per step, order.
        seed, phase, epoch: the order is a function of these.
    """
    rng = np.random.default_rng(seed_of(seed, "plan", phase, epoch))
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
    per_step = settings.micro_batches_per_step
    filler = -len(sizes) % per_step
    return EpochPlan(
        rows=rows[np.concatenate(pieces)] if pieces else rows,
        offsets=np.concatenate([[0], np.cumsum(sizes), np.full(filler, sizes.sum())]).astype(np.int64),
        micro_batches_per_step=per_step,
        padded_s=float((longest[batch_order] * sizes).sum()),
        speech_s=float(sorted_s.sum()),
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

    Utterances are shuffled inside quantile buckets. Those that do not fill a micro-batch join the next longer bucket.
    """
    count = len(sorted_s)

    def size_for(seconds: float) -> int:
        return settings.batch_size or max(1, int((settings.padded_seconds or 0.0) / max(seconds, 1e-3)))

    typical = size_for(float(sorted_s.mean())) if count else 1
    buckets = int(np.clip(count // (typical * BATCHES_PER_BUCKET), 1, MAX_BUCKETS))
    edges = np.linspace(0, count, buckets + 1).astype(np.int64)
    sizes: list[int] = []
    order: list[NDArray[np.int64]] = []
    left = np.zeros(0, dtype=np.int64)
    for start, stop in pairwise(edges.tolist()):
        if start == stop:
            continue
        pool = np.concatenate([left, start + rng.permutation(stop - start)])
        size = size_for(float(sorted_s[stop - 1]))
        full = len(pool) // size
        sizes += [size] * full
        order.append(pool[: full * size])
        left = pool[full * size :]
    if len(left):
        sizes.append(len(left))
        order.append(left)
    return np.asarray(sizes, dtype=np.int64), np.concatenate(order) if order else np.zeros(0, dtype=np.int64)


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
