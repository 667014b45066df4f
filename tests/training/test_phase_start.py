from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.training.parts import equal_states, phases_of

from soritune.errors import ModelError
from soritune.models.trainable_state import trainable_state
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import Loaded, load_checkpoint, save_weights
from soritune.training.devices import make_accelerator
from soritune.training.log import RunLog
from soritune.training.phase_start import begin_phase, identity_of
from soritune.training.phase_trainer import PhaseTrainer
from soritune.training.phases import Phase
from soritune.training.process_group import process_group
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress

MakeRun = Callable[..., TrainingRun]
PHASES = [{"freeze": {"encoder": True}}, {"freeze": {"layers": 1}}, {"freeze": {"heads": True}}]


def begin(
    run: TrainingRun, phases: tuple[Phase, ...], number: int, progress: Progress, loaded: Loaded | None = None
) -> PhaseTrainer:
    with RunLog(run.folder) as log:
        trainer = begin_phase(
            run,
            phases,
            phases[number - 1],
            progress=progress,
            accelerator=make_accelerator(run.settings),
            group=process_group(),
            log=log,
            loaded=loaded,
        )
    trainer.checkpoints.log_lengths = dict  # the log is closed
    return trainer


def test_model_is_frozen_as_the_phase_requires(make_run: MakeRun) -> None:
    run = make_run(phases=PHASES)
    phases = phases_of(run)
    for number, parts in ((1, {"heads"}), (2, {"heads", "encoder"}), (3, {"encoder"})):
        begin(run, phases, number, Progress())
        trained = {n.split(".")[0] for n, p in run.model.named_parameters() if p.requires_grad}
        assert trained == parts
        assert run.model.config.freeze == phases[number - 1].freeze


def test_checkpoint_has_the_weights_of_this_phase_and_those_before(make_run: MakeRun) -> None:
    run = make_run(phases=PHASES)
    phases = phases_of(run)
    names = set(dict(run.model.named_parameters()))
    states = [set(begin(run, phases, n, Progress()).evaluations.weights.state()) & names for n in (1, 2, 3)]
    heads = {name for name in names if name.startswith("heads.")}
    upper = {name for name in names if ".layers.1." in name or name.startswith("encoder.encoder.layer_norm")}
    assert states[0] == heads
    assert states[1] == heads | upper
    assert states[2] > heads | upper  # heads are frozen now, and were trained before


def test_new_phase_starts_from_the_best_weights_of_the_one_before(make_run: MakeRun) -> None:
    run = make_run(phases=PHASES)
    file = RunFolder(run.folder).best_weights(1, 9)
    best = {"heads.emotion.classifier.bias": torch.full((3,), 0.25)}
    save_weights(RunFolder(run.folder), file, best)
    progress = Progress(step=12, epoch=3, done=[{"index": 0, "weights": file.name}])
    begin(run, phases_of(run), 2, progress)
    assert torch.equal(run.model.state_dict()["heads.emotion.classifier.bias"], torch.full((3,), 0.25))
    assert (progress.phase, progress.step, progress.epoch, progress.phase_step) == (1, 12, 0, 0)
    assert "phase 2 of 3 starts from the best weights of phase 1: " in log_of(run)


def test_first_phase_starts_from_the_given_weights(make_run: MakeRun) -> None:
    run = make_run()
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    begin(run, phases_of(run), 1, Progress())
    assert equal_states(before, dict(run.model.state_dict()))
    assert "the run starts from the weights it was given: 30 utterances" in log_of(run)


def test_resumed_phase_has_the_weights_and_moments_of_its_checkpoint(make_run: MakeRun) -> None:
    run = make_run(ema={"decay": 0.5})
    trainer = begin(run, phases_of(run), 1, Progress())
    trainer.progress.step = trainer.progress.phase_step = 3
    for parameter in trainer.stepper.optimizer.param_groups[0]["params"]:
        parameter.grad = torch.ones_like(parameter)
    trainer.stepper.optimizer.step()
    averager = trainer.stepper.averager
    assert averager is not None
    averager.update(1)
    path = trainer.checkpoints.save()
    assert path is not None and path.name == "step-3"
    resumed_run = make_run(ema={"decay": 0.5})
    phases = phases_of(resumed_run)
    loaded = load_checkpoint(path, resumed_run.identity | identity_of(phases))
    resumed = begin(resumed_run, phases, 1, loaded.progress, loaded)
    assert equal_states(trainable_state(run.model), trainable_state(resumed_run.model))
    assert resumed.progress.phase_step == 3
    assert "the run resumed at step 3: " in log_of(resumed_run)
    assert resumed.stepper.averager is not None
    assert equal_states(averager.weights, resumed.stepper.averager.weights)
    first, second = (moments_of(trained.stepper.optimizer) for trained in (trainer, resumed))
    assert len(first) > 30
    assert equal_states(first, second)


def moments_of(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return {
        f"{index} {name}": value
        for index, parameter in enumerate(parameters)
        for name, value in optimizer.state[parameter].items()
    }


def test_phase_that_freezes_too_many_layers_is_refused(make_run: MakeRun) -> None:
    run = make_run(phases=[{"freeze": {"layers": 9}}])
    with pytest.raises(ModelError, match="freeze.layers is 9; the encoder has 2 layers"):
        begin(run, phases_of(run), 1, Progress())


def test_identity_names_phases_by_number(make_run: MakeRun) -> None:
    phases = phases_of(make_run(phases=[{"epochs": 1}, {"epochs": 2}, {"epochs": 1}]))
    identity = identity_of(phases)
    assert list(identity) == ["phase 1", "phase 2", "phase 3"]
    assert identity["phase 1"] == identity["phase 3"] != identity["phase 2"]


def log_of(run: TrainingRun) -> str:
    return (run.folder / "train.log").read_text(encoding="utf-8")
