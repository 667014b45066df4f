"""The training loop, one for every recipe. Next: `training/phase_start.py`.

A run is a row of phases, a phase a number of epochs, an epoch a number of steps (`training/step.py`). Everything that
decides what comes next is in `Progress` and in pure functions of the seed, so a run that is resumed from a checkpoint
gives the same weights as one without an interruption.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from soritune.errors import TrainingError
from soritune.progress import SILENT, Console
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import Loaded, checkpoints, clean, drop_newer, newest_checkpoint
from soritune.training.devices import make_accelerator
from soritune.training.end_reason import EndReason
from soritune.training.failed_rows import forget_rows
from soritune.training.interrupt import Interrupt
from soritune.training.log import RunLog
from soritune.training.phase_check import check_phases
from soritune.training.phase_start import begin_phase, identity_of
from soritune.training.phases import Phase, chosen_phases, next_phase, resolve_phases
from soritune.training.process_group import process_group
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a run ended."""

    folder: Path
    steps: int
    best: dict[str, float]
    """Best values of the last phase that was trained."""
    stopped: EndReason
    """Why the last phase that was trained ended."""
    seconds: float
    phases: tuple[dict[str, Any], ...] = ()
    """Per finished phase: its index, name, steps, why it ended ("stopped"), its best values."""
    best_epochs: Mapping[str, float] = field(default_factory=dict)
    """By value in `best`: epochs of the phase that were trained when it was the best."""


def train(run: TrainingRun, *, resume: bool = False, console: Console = SILENT) -> TrainingResult:
    """Trains `run.model`, writing checkpoints and bundles into `run.folder`.

    Args:
        run: what to train.
        resume: continue from the newest whole checkpoint of the folder.
        console: where progress is shown; nothing is shown by default.

    Raises:
        TrainingError: nothing to train on, a silent parameter, too many unusable rows or non-finite steps, a
            checkpoint that belongs to another run, or a phase that cannot begin here.
    """
    if len(run.train_rows) == 0:
        raise TrainingError("the training split is empty; look at splits.parquet or give other split ratios")
    config = run.model.config
    phases = resolve_phases(run.settings, run.augment, config.freeze)
    chosen = chosen_phases(phases, run.settings.phase)
    check_phases(run.model, run.tasks, phases, keeps_states=run.batches.encoder_states is not None)
    folder = RunFolder(run.folder)
    loaded: Loaded | None = None
    if resume or (run.settings.phase is not None and checkpoints(folder)):
        loaded = newest_checkpoint(folder, run.identity | identity_of(phases) | run.identity_before)
        if run.identity_before:
            loaded.progress.reopen()
    first = _first_phase(run, phases, chosen, loaded, resume=resume)
    log = RunLog(
        run.folder,
        keep=loaded.files if loaded else None,
        step=loaded.progress.step if loaded else 0,
        trackers=run.settings.make_trackers(),
        config=run.card.get("recipe"),
        console=console,
    )
    to_train = [phase for phase in chosen if first is not None and phase.index >= first.index]
    with log, process_group().connection_errors_explained():
        return _train_phases(run, phases, to_train, loaded, log)


def _first_phase(
    run: TrainingRun,
    phases: tuple[Phase, ...],
    chosen: tuple[Phase, ...],
    loaded: Loaded | None,
    *,
    resume: bool,
) -> Phase | None:
    """The first phase to train now; None if all chosen phases are finished."""
    if loaded is not None:
        progress = loaded.progress
        return next_phase(
            phases,
            chosen,
            current=progress.phase if progress.ended is None else None,
            done=[done["index"] for done in progress.done],
            resume=resume,
        )
    config = run.model.config
    if chosen[0].index > 0 and config.init_from is None:
        raise TrainingError(
            f"{chosen[0]} starts from the best weights of a phase before it, and {run.folder} has no such weights; "
            "train that first in the same folder, or name weights to start from with model.init_from"
        )
    return chosen[0]


def _train_phases(
    run: TrainingRun,
    phases: tuple[Phase, ...],
    to_train: Sequence[Phase],
    loaded: Loaded | None,
    log: RunLog,
) -> TrainingResult:
    """Trains `to_train`, which are some of all `phases`; `loaded` is the checkpoint to resume from."""
    started = time.perf_counter()
    accelerator = make_accelerator(run.settings)
    group = process_group()
    progress = Progress() if loaded is None else loaded.progress
    group.refuse_differing("what is to be trained", json.dumps([run.identity, asdict(progress)]))
    if group.rank == 0:
        _clear(RunFolder(run.folder), loaded, run.settings.keep_newest)
    stopped = progress.ended or EndReason.END
    log.to_terminal(f"losses and evaluations are also in {log.folder.text_log}")
    with Interrupt(log.to_terminal) as interrupt:
        for phase in to_train:
            # The next phase begins from a checkpoint at the end of a phase. One inside a phase is resumed.
            inside = loaded if progress.ended is None else None
            trainer = begin_phase(
                run,
                phases,
                phase,
                progress=progress,
                accelerator=accelerator,
                group=group,
                log=log,
                loaded=inside,
            )
            loaded = None
            stopped = trainer.run(interrupt)
            trainer.release()
            if stopped is EndReason.INTERRUPTED:
                break
        seconds = time.perf_counter() - started
        # The launcher ends the other processes when one has exited, so none exits before the last line is written.
        group.on_main_briefly(
            lambda: log.event("end", step=progress.step, stopped=stopped, seconds=round(seconds, 1))
        )
    return TrainingResult(
        run.folder,
        progress.step,
        dict(progress.best),
        stopped,
        seconds,
        tuple(progress.done),
        dict(progress.best_epochs),
    )


def _clear(folder: RunFolder, loaded: Loaded | None, keep_newest: int) -> None:
    """Removes what an earlier training left: all its failed rows, or what is newer than the checkpoint."""
    if loaded is None:
        forget_rows(folder)
    else:
        drop_newer(folder, loaded)
    clean(folder, keep_newest)
    for unfinished in folder.bundles.glob(".*"):  # left by a killed process
        shutil.rmtree(unfinished, ignore_errors=True)
