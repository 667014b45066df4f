"""Begins or resumes a phase: freezing, the weights it starts from, and the parts that train it.

Next: `training/phase_trainer.py`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from soritune.corpus.splitting.subsets import validation_sample
from soritune.models.freezing import apply_freezing, check_frozen, trained_names
from soritune.models.model import SpeechModel
from soritune.models.parameter_table import parameter_table
from soritune.models.trainable_state import load_trainable_state
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import Loaded, load_weights, put_weights
from soritune.training.encoder_states import EncoderStates
from soritune.training.epochs import Epochs
from soritune.training.evaluations import Evaluations
from soritune.training.failed_rows import FailedRows
from soritune.training.keeping import BundleKeeper
from soritune.training.log import RunLog
from soritune.training.out_of_memory import explain_out_of_memory, smaller_batches
from soritune.training.phase_checkpoints import PhaseCheckpoints
from soritune.training.phase_log import PhaseLog
from soritune.training.phase_trainer import PhaseTrainer
from soritune.training.phase_weights import PhaseWeights
from soritune.training.phases import Phase
from soritune.training.process_group import ProcessGroup
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress
from soritune.training.selection import Selection
from soritune.training.skipped_steps import SkippedSteps
from soritune.training.step import Stepper
from soritune.training.validation import Validation, validate


def begin_phase(
    run: TrainingRun,
    phases: tuple[Phase, ...],
    phase: Phase,
    *,
    progress: Progress,
    accelerator: Accelerator,
    group: ProcessGroup,
    log: RunLog,
    loaded: Loaded | None = None,
) -> PhaseTrainer:
    """Makes what trains a phase, and puts the weights it starts from into the model.

    Args:
        run: what is trained.
        phases: all phases of the recipe.
        phase: the one to begin or to resume.
        progress: where the run is; set to the beginning of the phase unless the phase is resumed.
        accelerator: where to train.
        group: the processes of the run.
        log: of the run.
        loaded: the checkpoint inside the phase to resume from. None begins the phase with the best weights of the
            phase before it, or else with the model as it is.
    """
    model, folder, settings = run.model, RunFolder(run.folder), phase.settings
    changed = _freeze(model, phases[: phase.number])
    if loaded is not None:
        load_trainable_state(model, loaded.weights, changed)
        origin = f"resumed at step {progress.step}"
    else:
        origin = _put_start(model, folder, progress)
        progress.next_phase(phase.index)
    states = None
    if run.batches.encoder_states is not None:
        states = EncoderStates(run, phase, accelerator=accelerator, group=group, console=log.console)
    epochs = Epochs(run, phase, states)
    stepper = Stepper(model, settings, accelerator, sample_rate_hz=run.preprocessing.sample_rate_hz)
    if loaded is not None:
        stepper.restore(loaded)
    weights = PhaseWeights(model, changed, stepper.averager, folder)
    phase_log = PhaseLog(log, phase, epochs, progress, run.tasks)
    evaluations = _evaluations(run, phase, epochs, weights, progress, phase_log, accelerator, group)
    trainer = PhaseTrainer(
        phase=phase,
        model=model,
        epochs=epochs,
        stepper=stepper,
        evaluations=evaluations,
        checkpoints=PhaseCheckpoints(
            folder=folder,
            identity=run.identity | identity_of(phases[: phase.number]),
            weights=weights,
            stepper=stepper,
            progress=progress,
            log_lengths=log.lengths,
            group=group,
            keep_newest=settings.keep_newest,
        ),
        failed_rows=FailedRows(run.manifest, folder, group, progress, settings.max_failed_share),
        skipped_steps=SkippedSteps(
            stepper, epochs, run.manifest, progress, log, settings.max_non_finite_steps
        ),
        progress=progress,
        log=phase_log,
        group=group,
        explain_out_of_memory=partial(
            explain_out_of_memory,
            "training",
            manifest=run.manifest,
            sample_rate_hz=run.preprocessing.sample_rate_hz,
            advice=smaller_batches(run.batches),
        ),
        evaluates_start=run.can_predict,
        keeps_start=run.keeps_start,
    )
    phase_log.start(
        origin,
        num_validation_rows=len(evaluations.rows),
        accelerator=accelerator,
        parameters=parameter_table(model),
    )
    return trainer


def identity_of(phases: tuple[Phase, ...]) -> dict[str, str]:
    """Hashes of phases that a checkpoint must share to be resumed."""
    return {f"phase {phase.number}": phase.digest() for phase in phases}


def _freeze(model: SpeechModel, phases: tuple[Phase, ...]) -> frozenset[str]:
    """Freezes the model as the last of `phases` requires; returns the names of all weights that any of them trains."""
    model.config = model.config.model_copy(update={"freeze": phases[-1].freeze})
    apply_freezing(model)
    check_frozen(model)
    return frozenset[str]().union(*(trained_names(model, phase.freeze) for phase in phases))


def _put_start(model: SpeechModel, folder: RunFolder, progress: Progress) -> str:
    """Puts the weights a new phase starts from into the model; returns what they are, in words."""
    if not progress.done:
        return "starts from the weights it was given"
    before = progress.done[-1]
    put_weights(model, load_weights(folder.checkpoints / before["weights"]))
    return f"starts from the best weights of phase {before['index'] + 1}"


def _evaluations(
    run: TrainingRun,
    phase: Phase,
    epochs: Epochs,
    weights: PhaseWeights,
    progress: Progress,
    log: PhaseLog,
    accelerator: Accelerator,
    group: ProcessGroup,
) -> Evaluations:
    folder, settings = RunFolder(run.folder), phase.settings

    def evaluate(rows: NDArray[np.int64]) -> Validation:
        return validate(
            run.model,
            run.tasks,
            epochs.plain_collator,
            rows,
            epochs.durations_s[rows],
            padded_seconds=run.batches.evaluation_padded_seconds,
            num_workers=run.batches.num_workers,
            accelerator=accelerator,
        )

    return Evaluations(
        evaluate=evaluate,
        rows=validation_sample(
            run.manifest, run.validation_rows, settings.validation_sample, seed=settings.seed
        ),
        all_rows=run.validation_rows,
        phase=phase,
        weights=weights,
        selection=Selection(run.tasks, settings),
        keeper=BundleKeeper(run.model, run.tasks, run.preprocessing, run.card, folder, phase),
        folder=folder,
        progress=progress,
        log=log,
        group=group,
    )
