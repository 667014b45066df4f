from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.training.parts import batches_of, counts_of, phases_of, stepper_of

from soritune.models.parameter_table import parameter_table
from soritune.progress import Console
from soritune.testing import class_output, ctc_output
from soritune.training.end_reason import EndReason
from soritune.training.epochs import Epochs
from soritune.training.log import Meter, RunLog, read_events
from soritune.training.phase_log import PhaseLog, weighted_loss
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress
from soritune.training.validation import Validation

MakeRun = Callable[..., TrainingRun]


def phase_log(run: TrainingRun, log: RunLog, progress: Progress, number: int = 1) -> PhaseLog:
    phase = phases_of(run)[number - 1]
    return PhaseLog(log, phase, Epochs(run, phase), progress)


def logged(run: TrainingRun, progress: Progress, write: Callable[[PhaseLog], None], number: int = 1) -> Any:
    """The only event that `write` logs, without its name and time."""
    with RunLog(run.folder) as log:
        write(phase_log(run, log, progress, number))
    (event,) = read_events(run.folder)
    del event["time"]
    return event


def test_step_has_losses_rates_and_checksum(make_run: MakeRun) -> None:
    run = make_run()
    epochs, stepper = stepper_of(run)
    plan = epochs.plan(0)
    micro = batches_of(epochs, [plan.micro_batch(0).tolist(), plan.micro_batch(1).tolist()])
    stepper.step(micro, counts_of(run, micro), done=0, total_steps=4)
    meter = Meter()
    meter.add(audio_s=6.0, waited_s=0.5, took_s=2.0)
    progress = Progress(step=1, phase_step=1, step_in_epoch=1)
    event = logged(run, progress, lambda log: log.step(stepper, run.model.outputs, 0.25, meter))
    losses = stepper.means()
    assert event == {
        "event": "step",
        "step": 1,
        "epoch": 1 / plan.num_steps,
        "loss": losses["emotion"] + losses["phoneme"],
        "loss/emotion": losses["emotion"],
        "loss/phoneme": losses["phoneme"],
        "lr/default": 1e-3,
        "grad_norm": float(stepper.norm),
        "masked_share": 0.25,
        "audio_s_per_s": 3.0,
        "steps_per_s": 0.5,
        "data_wait": 0.25,
        "batch": epochs.digest_of_step(0, 0),
    }


def test_start_describes_the_phase(make_run: MakeRun) -> None:
    """Phase 2 of 2 begins after 5 steps of the run; a warm-up of 100 steps is cut to a third of its own."""
    run = make_run(phases=[{"epochs": 1}, {"epochs": 2, "warmup_steps": 100}], seed=7)
    _, stepper = stepper_of(run)

    def start(log: PhaseLog) -> None:
        log.start(
            "starts from the best weights of phase 1",
            num_validation_rows=6,
            accelerator=stepper.accelerator,
            parameters=parameter_table(run.model),
        )

    event = logged(run, Progress(phase=1, step=5), start, number=2)
    epochs = Epochs(run, phases_of(run)[1])
    total = epochs.total_steps
    assert event == {
        "event": "start",
        "step": 5,
        "total_steps": 5 + total,
        "phase": 2,
        "train_rows": 30,
        "train_hours": epochs.hours,
        "validation_rows": 6,
        "padding_share": epochs.plan(0).padding_share,
        "warmup_steps": total // 3,
        "processes": 1,
        "device": "cpu",
        "precision": "no",
        "seed": 7,
    }
    text = (run.folder / "train.log").read_text(encoding="utf-8")
    assert (
        f"phase 2 of 2 starts from the best weights of phase 1: 30 utterances, 0.01 h, {total} steps\n"
        in text
    )
    assert f"warning: warm-up of 100 steps cut to {total // 3}, a third of the run's {total}\n" in text
    assert "  head emotion: 163 of 163 trained\n" in text


def test_evaluation_has_all_values(make_run: MakeRun) -> None:
    run = make_run()
    result = Validation({"loss": 2.0, "emotion/ua": 0.5}, num_rows=6, num_failed=1)
    event = logged(run, Progress(step=8, epoch=2), lambda log: log.evaluation("evaluate", 6, result))
    assert event == {
        "event": "evaluate",
        "step": 8,
        "epoch": 2.0,
        "rows": 6,
        "failed": 1,
        "val/loss": 2.0,
        "val/emotion/ua": 0.5,
    }


def test_end_of_a_phase_is_an_event_only_with_several_phases(make_run: MakeRun) -> None:
    progress = Progress(step=8, best={"loss": 1.0})
    event = logged(make_run("two", phases=[{}, {}]), progress, lambda log: log.end(EndReason.EARLY))
    assert event == {"event": "phase_end", "step": 8, "phase": 1, "stopped": "early", "best": {"loss": 1.0}}
    run = make_run("one")
    with RunLog(run.folder) as log:
        phase_log(run, log, progress).end(EndReason.EARLY)
    assert read_events(run.folder) == []


@pytest.mark.parametrize(
    ("losses", "expected"),
    [({"a": 3.0, "b": 4.0}, 5.0), ({"a": 3.0, "b": math.nan}, 3.0), ({"a": math.nan, "b": math.inf}, 0.0)],
)
def test_total_loss_is_weighted_and_leaves_out_what_is_not_finite(
    losses: dict[str, float], expected: float
) -> None:
    """Weights 1 and 1/2."""
    outputs = (ctc_output("a"), class_output("b", weight=0.5))
    assert weighted_loss(outputs, losses) == expected


class Lines(Console):
    """Keeps what would be shown."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.shown: list[str] = []

    def message(self, text: str, *, style: str | None = None) -> None:
        self.shown.append(text)


def test_terminal_has_the_primary_rates_and_the_log_all_numbers(make_run: MakeRun) -> None:
    run, console = make_run(), Lines()
    values = {"loss": 2.0, "loss/emotion": 1.0, "emotion/ua": 0.5, "emotion/wa": 0.25, "phoneme/per": 0.125}
    with RunLog(run.folder, console=console) as log:
        phase = phases_of(run)[0]
        progress = Progress(step=8, epoch=2, phase_step=8)
        PhaseLog(log, phase, Epochs(run, phase), progress, run.tasks).evaluation(
            "evaluate", 6, Validation(values, 6, 0)
        )
    (line,) = console.shown
    assert line.startswith("epoch 2 of ")
    assert "validation loss 2, " in line and "phoneme: phone error rate 12.5 %" in line
    assert "wa" not in line
    assert "val/emotion/wa=0.25" in (run.folder / "train.log").read_text(encoding="utf-8")


def test_bar_has_no_loss_before_the_first_is_known(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, states = make_run(), []
    with RunLog(run.folder) as log:
        monkeypatch.setattr(log, "show_progress", lambda step, total, state: states.append(state))
        shown = phase_log(run, log, Progress())
        shown.show_progress(Meter())
        shown.last_loss = 1.2345
        shown.show_progress(Meter())
    assert "loss" not in states[0] and "nan" not in states[0]
    assert states[1].endswith("  loss 1.23")


@pytest.mark.parametrize(
    ("seconds_per_step", "shown"), [(0.1, ""), (7.5, "about 30 s"), (45.0, "about 3.0 min")]
)
def test_time_of_an_epoch_is_estimated_after_the_first_steps(
    seconds_per_step: float, shown: str, make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    with RunLog(run.folder, console=Console()) as log:
        written = phase_log(run, log, Progress())
        assert written.epochs.plan(0).num_steps == 4
        written.start(
            "starts",
            num_validation_rows=0,
            accelerator=stepper_of(run)[1].accelerator,
            parameters=parameter_table(run.model),
        )
        meter = Meter()
        for _ in range(5):
            meter.add(audio_s=1.0, waited_s=0.0, took_s=seconds_per_step)
            written.show_progress(meter)
    text = " ".join(capsys.readouterr().err.split())
    assert text.count("per epoch") == bool(shown)
    assert shown + (" per epoch at the speed of the first steps" if shown else "") in text
    assert ("model.freeze.encoder=true 'batches.encoder_states={}'" in text) is (seconds_per_step > 30)
