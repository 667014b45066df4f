"""Settings of all phases, checked against the model before the first step of any of them. Next: `phase_start.py`."""

from __future__ import annotations

from collections.abc import Sequence

from soritune.audio.augment.chain import Chain
from soritune.errors import ModelError, SorituneError, TrainingError
from soritune.models.freezing import apply_freezing, check_frozen
from soritune.models.model import SpeechModel
from soritune.tasks.task import Task
from soritune.training.optimizer import make_optimizer
from soritune.training.phases import Phase
from soritune.training.selection import Selection


def check_phases(
    model: SpeechModel, tasks: Sequence[Task], phases: Sequence[Phase], *, keeps_states: bool = False
) -> None:
    """Freezes the model as each phase would and makes the optimizer, then restores the model's own freezing.

    Args:
        model: of the run.
        tasks: of the run.
        phases: of the run.
        keeps_states: whether the encoder's states are kept on disk (`batches.encoder_states`).

    Raises:
        SorituneError: settings of a phase contradict each other or do not fit the model; the message names the phase.
    """
    config = model.config
    try:
        for phase in phases:
            model.config = config.model_copy(update={"freeze": phase.freeze})
            try:
                apply_freezing(model)
                check_frozen(model)
                make_optimizer(model, phase.settings)
                Selection(tasks, phase.settings)
                if keeps_states:
                    _refuse_changing_states(model, phase)
            except SorituneError as error:
                raise _of_phase(error, phase) from error
    finally:
        model.config = config
    apply_freezing(model)


def _refuse_changing_states(model: SpeechModel, phase: Phase) -> None:
    """Raises:
    TrainingError: training would change the states of the encoder that are stored.
    """
    trained = next((name for name, _ in model.encoder.named_parameters() if _.requires_grad), None)
    if trained is not None:
        raise TrainingError(
            f"batches.encoder_states keeps the states of an encoder that is not trained, and encoder.{trained} is "
            "trained; set model.freeze.encoder=true and model.lora=null, or batches.encoder_states=null"
        )
    mixing = ", ".join(Chain.of(phase.augment).mixing)
    if mixing:
        raise TrainingError(
            f"batches.encoder_states keeps the states of single clips, and augment.{mixing} mixes several; set it to "
            "null, or batches.encoder_states=null"
        )


def _of_phase(error: SorituneError, phase: Phase) -> SorituneError:
    """The error with the phase's name before it; of a recipe without phases the error itself."""
    if phase.count == 1:
        return error
    kind = ModelError if isinstance(error, ModelError) else TrainingError
    return kind(f"{phase}: {error}")
