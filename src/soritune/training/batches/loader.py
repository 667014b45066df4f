"""Runs the collator ahead of training, in worker processes, in the plan's order."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from multiprocessing.util import Finalize
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from soritune.draws import Draws
from soritune.training.batches.batch import Batch
from soritune.training.batches.collate import Collator
from soritune.training.batches.plan import EpochPlan


class PlannedBatches(Dataset[Batch]):
    """Micro-batches of a plan by their index; an empty one at the end has no rows."""

    def __init__(self, plan: EpochPlan, collator: Collator, draws: Draws) -> None:
        self.plan, self.collator, self.draws = plan, collator, draws

    def __len__(self) -> int:
        return self.plan.num_micro_batches

    def __getitem__(self, index: int) -> Batch:
        return self.collator(self.plan.micro_batch(index), self.draws, index)


def load_batches(
    plan: EpochPlan,
    collator: Collator,
    draws: Draws,
    indices: Sequence[int],
    *,
    num_workers: int | None,
) -> Iterator[Batch]:
    """Micro-batches `indices` of the plan, in that order, prefetched.

    Each micro-batch is loaded by exactly one worker, so nothing is repeated and nothing is lost.
    """
    workers = default_workers() if num_workers is None else num_workers
    workers = min(workers, len(indices))
    loader = DataLoader(
        PlannedBatches(plan, collator, draws),
        batch_size=None,
        sampler=indices,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        # Workers that die with a Ctrl-C or SIGTERM to the process group would take the step in progress with them.
        worker_init_fn=_ignore_signals if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
    batches = iter(loader)
    if workers:
        # When the interpreter exits, multiprocessing ends workers with SIGTERM, which these ignore, and would wait for
        # them forever: after an error the iterator is still referenced, so they were never stopped.
        Finalize(batches, _stop, args=(weakref.ref(batches),), exitpriority=10)
    return batches


def _stop(batches: weakref.ref[Any]) -> None:
    iterator = batches()
    if iterator is not None:
        for worker in iterator._workers:
            worker.kill()


def default_workers() -> int:
    """Cores beyond the first, at most 8. Without a GPU the model uses the cores itself, and one loader is enough."""
    cores = os.cpu_count() or 1
    return min(8, max(cores - 1, 1)) if torch.cuda.is_available() else min(1, cores - 1)


def _ignore_signals(_: int) -> None:
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
