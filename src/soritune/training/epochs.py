"""What a phase trains on: its rows, the plan of each epoch, the loader that starts at any step.

Next: `training/phase_trainer.py`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from functools import partial

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from soritune.audio.shard import SHARD_SUFFIX
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.subsets import nested_rows, values_of, visited_rows
from soritune.draws import Draws, seed_of
from soritune.errors import TrainingError
from soritune.training.batches.batch import Batch
from soritune.training.batches.collate import Collator
from soritune.training.batches.loader import load_batches
from soritune.training.batches.plan import EpochPlan, plan_epoch
from soritune.training.encoder_states import EncoderStates
from soritune.training.phases import Phase
from soritune.training.run import TrainingRun


class Epochs:
    """The epochs of one phase.

    Args:
        run: gives rows, tasks, preprocessing, batches and seed, and the model's geometry.
        phase: gives augmentation, share of the data, epochs and steps.
        states: stored states of the encoder; None reads the audio.

    Attributes:
        rows: manifest rows of the phase.
        durations_s: seconds of every row of the manifest, after cropping.
        total_steps: optimizer steps of the phase, exactly. Epochs differ in length if augmentations change the length
            of utterances.
        collator: makes training batches.
        plain_collator: makes batches of an evaluation.
    """

    def __init__(self, run: TrainingRun, phase: Phase, states: EncoderStates | None = None) -> None:
        self.manifest, self.batches = run.manifest, run.batches
        self.settings, self.phase_index, self.seed = phase.settings, phase.index, run.settings.seed
        self.durations_s = durations_of(run)
        speakers = values_of(run.manifest, "speaker", run.train_rows) if phase.data_share < 1 else []
        self.rows = nested_rows(
            run.train_rows,
            self.durations_s[run.train_rows],
            [str(name) for name in speakers],
            phase.data_share,
            seed=self.seed,
        )
        geometry = run.model.geometry
        make_collator = partial(
            Collator,
            run.manifest,
            run.tasks,
            run.preprocessing,
            num_frames=geometry.num_frames,
            hidden_size=run.model.hidden_size,
        )
        self.states = states
        self.collator = make_collator(
            augment=phase.augment,
            label_smoothing=run.batches.label_smoothing,
            states=None if states is None else states.train,
        )
        self.plain_collator = make_collator(states=None if states is None else states.plain)
        self.chain = self.collator.chain
        self._plans: dict[int, EpochPlan] = {}
        self._weights = self._row_weights()
        self._shards = shards_of(run.manifest) if run.batches.order == "shard_window" else None
        self.total_steps = self._count_steps()

    @property
    def hours(self) -> float:
        """Hours of the phase's rows, each counted as often as an epoch visits it."""
        seconds = self.durations_s[self.rows]
        return float((seconds if self._weights is None else seconds * self._weights).sum() / 3600)

    def _row_weights(self) -> NDArray[np.float64] | None:
        """How often an epoch visits each row; None if every row is visited once.

        Raises:
            TrainingError: no row has a source that is named, or no row is left.
        """
        by_source = self.batches.source_weights
        if not by_source:
            return None
        known = {str(name) for name in self.manifest.column("source").unique().to_pylist()}
        unknown = sorted(by_source.keys() - known)
        if unknown:
            raise TrainingError(
                f"batches.source_weights names {', '.join(unknown)}, but the rows of the manifest come from "
                f"{', '.join(sorted(known))}"
            )
        sources = [str(name) for name in values_of(self.manifest, "source", self.rows)]
        weights = np.array([by_source.get(name, 1.0) for name in sources])
        if not weights.any():
            raise TrainingError(
                "batches.source_weights leaves no row to train on; give one source a weight above 0"
            )
        return weights

    @property
    def trained_rows(self) -> NDArray[np.int64]:
        """Manifest rows of the phase that any epoch visits."""
        return self.rows if self._weights is None else self.rows[self._weights > 0]

    def visits(self, epoch: int) -> NDArray[np.int64]:
        """Manifest rows that an epoch visits; the second visit to a row is that row plus the manifest's length."""
        if self._weights is None:
            return self.rows
        seed = seed_of(self.seed, "phase", self.phase_index)
        return visited_rows(self.rows, self._weights, num_rows=len(self.manifest), epoch=epoch, seed=seed)

    @property
    def round(self) -> int:
        """Number of epochs after which every row that is trained on has been visited."""
        if self._weights is None:
            return 1
        return math.ceil(1 / min(1.0, float(self._weights[self._weights > 0].min())))

    def draws(self, epoch: int) -> Draws:
        """The random numbers of an epoch: a function of the seed, the phase and the epoch."""
        return Draws(self.seed, self.phase_index, epoch)

    def plan(self, epoch: int) -> EpochPlan:
        """Plan of an epoch; only the last one is kept in memory."""
        if epoch not in self._plans:
            rows = self.visits(epoch)
            factors = self._speed_factors(rows, epoch)
            self._plans = {
                epoch: plan_epoch(
                    rows,
                    self.durations_s[rows % len(self.manifest)] / factors,
                    self.batches,
                    seed=self.seed,
                    phase=self.phase_index,
                    epoch=epoch,
                    shards=None if self._shards is None else self._shards[rows % len(self.manifest)],
                )
            }
        return self._plans[epoch]

    def _speed_factors(self, visits: NDArray[np.int64], epoch: int) -> NDArray[np.float64]:
        """The factor by which each visit of an epoch is shortened."""
        if self.states is None:
            return self.chain.speed_factors(visits, self.draws(epoch))
        keys, factors = self.states.keys, np.ones(len(visits))
        copies = np.array([keys.copy_of(visit, epoch) for visit in visits.tolist()], dtype=np.int64)
        for copy in np.unique(copies).tolist():
            rows = visits[copies == copy] % len(self.manifest)
            factors[copies == copy] = self.chain.speed_factors(rows, keys.draws(copy))
        return factors

    def _count_steps(self) -> int:
        settings = self.settings
        if not (self.chain.changes_length or self._weights is not None):
            return int(min(self.plan(0).num_steps * settings.epochs, settings.max_steps or math.inf))
        # From the last epoch to the first, whose plan is then kept for the training that begins with it.
        epochs = range(settings.epochs)
        total = 0
        for epoch in epochs if settings.max_steps else reversed(epochs):
            total += self.plan(epoch).num_steps
            if settings.max_steps and total >= settings.max_steps:
                return settings.max_steps
        return total

    def load(self, epoch: int, first: int, accelerator: Accelerator) -> Iterator[list[Batch]]:
        """This process's micro-batches of every step of the epoch, beginning with step `first`; prefetched.

        Raises:
            TrainingError: a step cannot be shared evenly by the processes.
        """
        plan = self.plan(epoch)
        per_step = plan.micro_batches_per_step
        processes, rank = accelerator.num_processes, accelerator.process_index
        if per_step % processes:
            raise TrainingError(
                f"batches.micro_batches_per_step={per_step} cannot be shared evenly by {processes} processes; "
                f"choose a multiple of {processes}"
            )
        indices = [
            step * per_step + j
            for step in range(first, plan.num_steps)
            for j in range(rank, per_step, processes)
        ]
        batches = load_batches(
            plan, self.collator, self.draws(epoch), indices, num_workers=self.batches.num_workers
        )
        for _ in range(first, plan.num_steps):
            yield [next(batches) for _ in range(per_step // processes)]

    def rows_of_step(
        self, epoch: int, step: int, micro_batches: list[int] | None = None
    ) -> NDArray[np.int64]:
        """Manifest rows of a step on all processes, or of some of its micro-batches."""
        plan = self.plan(epoch)
        first = step * plan.micro_batches_per_step
        indices = range(plan.micro_batches_per_step) if micro_batches is None else micro_batches
        visits = np.concatenate([plan.micro_batch(first + j) for j in indices])
        return visits % len(self.manifest)

    def digest_of_step(self, epoch: int, step: int) -> str:
        """A checksum of a step's rows in their order, for the log: equal in two runs that train on the same batches."""
        plan = self.plan(epoch)
        first = step * plan.micro_batches_per_step
        edges = plan.offsets[first : first + plan.micro_batches_per_step + 1]
        content = np.concatenate([edges - edges[0], plan.rows[edges[0] : edges[-1]]]).astype("<i8")
        return f"{zlib.crc32(content.tobytes()):08x}"


def durations_of(run: TrainingRun) -> NDArray[np.float64]:
    """Seconds of every row of the manifest, after cropping to `preprocessing.max_duration_s`."""
    limit = run.preprocessing.max_duration_s
    durations = run.manifest.durations_s
    return durations if limit is None else np.minimum(durations, limit)


def shards_of(manifest: Manifest) -> NDArray[np.int64]:
    """(utterances,) number of the shard of a packed corpus that has each row.

    Raises:
        TrainingError: a row is not in a shard.
    """
    paths = manifest.column("audio").to_pylist()
    files = [path.rpartition("/")[0] for path in paths]
    loose = next(
        (path for path, file in zip(paths, files, strict=True) if not file.endswith(SHARD_SUFFIX)), None
    )
    if loose is not None:
        raise TrainingError(
            f"batches.order=shard_window needs a packed corpus, but the audio of a row is {loose}; pack it with "
            "`soritune pack`, or set batches.order=random"
        )
    return np.unique(np.array(files), return_inverse=True)[1].astype(np.int64)
