"""The training loop, one for every recipe. Next: `reports/score.py`.

A run is a row of phases, a phase a number of epochs, an epoch a number of steps (`training/step.py`). Everything that
decides what comes next is in `Progress` and in pure functions of the seed, so a run goes on from a checkpoint as if
nothing had happened.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from soritune.errors import TrainingError
from soritune.progress import SILENT, Console
from soritune.training.checkpoint import Loaded, checkpoints, clean, drop_newer, newest_checkpoint
from soritune.training.faults import forget_rows
from soritune.training.interrupt import Interrupt
from soritune.training.log import RunLog
from soritune.training.one_phase import OnePhase
from soritune.training.phases import Phase, chosen_phases, next_phase, resolve_phases
from soritune.training.process_group import process_group
from soritune.training.run import TrainingRun
from soritune.training.selection import Selection
from soritune.training.session import Session


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a run ended."""

    folder: Path
    steps: int
    best: dict[str, float]
    """Best values of the last phase that was trained."""
    stopped: str
    """"end", "early", "max_steps" or "interrupted", of the last phase that was trained."""
    seconds: float
    phases: tuple[dict[str, Any], ...] = ()
    """Per finished phase: its index, steps, why it ended, its best values."""


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
    phases = resolve_phases(run.settings, run.augment, run.model.config.freeze)
    chosen = chosen_phases(phases, run.settings.phase)
    for phase in chosen:
        Selection(run.tasks, phase.settings)
    store = run.folder / "checkpoints"
    loaded: Loaded | None = None
    if resume or (run.settings.phase is not None and checkpoints(store)):
        loaded = newest_checkpoint(store, run.identity | {f"phase {p.number}": p.digest() for p in phases})
    first = _first_phase(run, phases, chosen, loaded, resume=resume)
    log = RunLog(
        run.folder,
        keep=loaded.files if loaded else None,
        step=loaded.progress.step if loaded else 0,
        tensorboard=run.settings.tensorboard,
        console=console,
    )
    with log, process_group().connection_errors_explained():
        return _run_phases(Session(run, phases, log), chosen, first, loaded)


def _first_phase(
    run: TrainingRun,
    phases: tuple[Phase, ...],
    chosen: tuple[Phase, ...],
    loaded: Loaded | None,
    *,
    resume: bool,
) -> Phase | None:
    if loaded is not None:
        progress = loaded.progress
        return next_phase(
            phases,
            chosen,
            current=progress.phase if progress.ended is None else None,
            done=[done["index"] for done in progress.done],
            resume=resume,
        )
    if chosen[0].index > 0 and run.model.config.init_from is None:
        raise TrainingError(
            f"{chosen[0]} starts from the best weights of a phase before it, and {run.folder} has none; train that "
            "first in the same folder, or name weights to start from with model.init_from"
        )
    return chosen[0]


def _run_phases(
    session: Session, chosen: Sequence[Phase], first: Phase | None, loaded: Loaded | None
) -> TrainingResult:
    """Trains the chosen phases from `first` on; `loaded` is the checkpoint to go on from."""
    started = time.perf_counter()
    if loaded is not None:
        session.progress = loaded.progress
    progress = session.progress
    session.group.refuse_differing(
        "what is to be trained", json.dumps([session.run.identity, asdict(progress)])
    )
    if session.main:
        if loaded is None:
            forget_rows(session.run.folder)
        else:
            drop_newer(loaded)
        clean(session.store, session.settings.keep_newest)
        for half in (session.run.folder / "bundles").glob(".*"):  # left by a killed process
            shutil.rmtree(half, ignore_errors=True)
    stopped = progress.ended or "end"
    left = [phase for phase in chosen if first is not None and phase.index >= first.index]
    with Interrupt() as interrupt:
        for phase in left:
            # A checkpoint at the end of a phase is where the next one begins; one inside it is gone on with.
            one = OnePhase(session, phase, loaded if progress.ended is None else None)
            loaded = None
            stopped = one.run(interrupt)
            one.stepper.release()
            if stopped == "interrupted":
                break
        seconds = time.perf_counter() - started
        # Whoever started the processes ends the rest when one has left: none leaves before the last line is written.
        session.on_main(
            lambda: session.log.event("end", step=progress.step, stopped=stopped, seconds=round(seconds, 1))
        )
    return TrainingResult(
        session.run.folder, progress.step, dict(progress.best), stopped, seconds, tuple(progress.done)
    )
