from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.training.parts import equal_states, stepper_of

from soritune.run_folder import RunFolder
from soritune.training.checkpoint import checkpoints, load_checkpoint
from soritune.training.phase_checkpoints import PhaseCheckpoints
from soritune.training.phase_weights import PhaseWeights
from soritune.training.process_group import ProcessGroup
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress

MakeRun = Callable[..., TrainingRun]
IDENTITY = {"recipe": "r", "phase 1": "p"}


class SecondProcess(ProcessGroup):
    """Its first process has no fault."""

    def __init__(self) -> None:
        super().__init__()
        self.rank = 1


def checkpoints_of(
    run: TrainingRun, progress: Progress, group: ProcessGroup | None = None
) -> PhaseCheckpoints:
    _, stepper = stepper_of(run)
    folder = RunFolder(run.folder)
    return PhaseCheckpoints(
        folder=folder,
        identity=IDENTITY,
        weights=PhaseWeights(run.model, {"heads.emotion.classifier.bias"}, stepper.averager, folder),
        stepper=stepper,
        progress=progress,
        log_lengths=lambda: {"train.jsonl": 70, "train.log": 80},
        group=group or ProcessGroup(),
        keep_newest=2,
    )


@pytest.mark.parametrize("ema", [None, {"decay": 0.5}])
def test_checkpoint_has_weights_averages_progress_and_lengths(
    make_run: MakeRun, ema: dict[str, float] | None
) -> None:
    """Only the heads are trained, and the toy has no buffers."""
    run = make_run(model={"freeze": {"encoder": True}}, ema=ema)
    progress = Progress(step=9, epoch=1)
    saved = checkpoints_of(run, progress)
    path = saved.save()
    assert path == RunFolder(run.folder).checkpoint(9)
    loaded = load_checkpoint(path, IDENTITY)
    assert loaded.progress == progress
    assert loaded.files == {"train.jsonl": 70, "train.log": 80}
    heads = {name: value for name, value in run.model.state_dict().items() if name.startswith("heads.")}
    assert equal_states(loaded.weights, heads)
    assert (loaded.averages is None) == (ema is None)
    assert loaded.averages is None or equal_states(loaded.averages, heads)
    assert loaded.scaler is None


def test_newest_checkpoints_are_kept(make_run: MakeRun) -> None:
    run = make_run()
    progress = Progress()
    saved = checkpoints_of(run, progress)
    for step in (3, 6, 9):
        progress.step = step
        saved.save()
    assert [path.name for path in checkpoints(RunFolder(run.folder))] == ["step-6", "step-9"]


def test_state_of_the_loss_scaler_is_saved(make_run: MakeRun) -> None:
    run = make_run()
    saved = checkpoints_of(run, Progress())
    saved.stepper.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    path = saved.save()
    assert path is not None
    loaded = load_checkpoint(path, IDENTITY)
    assert loaded.scaler is not None and loaded.scaler["scale"] == 1024.0


def test_only_the_first_process_writes(make_run: MakeRun) -> None:
    run = make_run()
    assert checkpoints_of(run, Progress(), SecondProcess()).save() is None
    assert not run.folder.exists()
