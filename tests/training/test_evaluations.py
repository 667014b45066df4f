from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soritune.audio.augment.settings import AugmentSettings
from soritune.models.config import FreezeSettings
from soritune.recipe import make_task
from soritune.run_folder import RunFolder
from soritune.training.config import TrainingSettings
from soritune.training.evaluations import Evaluations
from soritune.training.phases import resolve_phases
from soritune.training.process_group import ProcessGroup
from soritune.training.run_progress import Progress
from soritune.training.selection import Selection
from soritune.training.validation import Validation

TASKS = [make_task("emotion", {"labels": ["a", "b"]})]


class Recorder:
    """Stands for keeper, weights and log: `calls` has what they were asked to do, and with which weights."""

    def __init__(self, averaged: bool) -> None:
        self.calls: list[Any] = []
        self.in_model = "raw"
        self.averager = object() if averaged else None

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        self.in_model = "ema" if self.averager else "raw"
        yield
        self.in_model = "raw"

    @contextlib.contextmanager
    def read_from(self, file: Path) -> Iterator[None]:
        self.in_model = file.name
        yield
        self.in_model = "raw"

    def save(self, name: Any, *_: Any, **__: Any) -> None:
        self.calls.append((getattr(name, "name", name), self.in_model))

    def save_best(self, bundles: Any, ranks: dict[str, int], *_: Any, **__: Any) -> None:
        self.calls.append((ranks, self.in_model))

    def save_start(self, values: dict[str, float], progress: Progress) -> None:
        self.calls.append(("start", values.get("loss")))

    def save_epoch(self, keep: bool | int, values: dict[str, float], *_: Any, **__: Any) -> None:
        self.calls.append(("epoch", keep, values, self.in_model))

    def note(self, names: list[str], **fields: Any) -> None:
        self.calls.append((names, fields))

    def evaluation(self, event: str, num_rows: int, result: Validation) -> None:
        self.calls.append((event, num_rows, self.in_model))


def evaluations(
    results: list[dict[str, float]],
    *,
    sample: int = 6,
    phases: int = 1,
    averaged: bool = False,
    **train: Any,
) -> tuple[Evaluations, Recorder]:
    """Of the first phase; the validation split has 6 rows."""
    settings = TrainingSettings.model_validate({"phases": [{}] * (phases if phases > 1 else 0), **train})
    phase = resolve_phases(settings, AugmentSettings(), FreezeSettings())[0]
    recorder: Any = Recorder(averaged)
    made = Evaluations(
        evaluate=lambda rows: Validation(results.pop(0), len(rows), 0),
        rows=np.arange(sample),
        all_rows=np.arange(6),
        phase=phase,
        weights=recorder,
        selection=Selection(TASKS, phase.settings),
        keeper=recorder,
        folder=RunFolder(Path("run")),
        progress=Progress(step=8),
        log=recorder,
        group=ProcessGroup(),
    )
    return made, recorder


def result(loss: float, ua: float) -> dict[str, float]:
    return {"loss": loss, "emotion/ua": ua}


def test_evaluation_is_of_the_averaged_weights_and_keeps_the_best() -> None:
    made, recorder = evaluations([result(2.0, 0.5), result(3.0, 0.4)], averaged=True)
    assert made.run() == (result(2.0, 0.5), True)
    assert recorder.calls == [("evaluate", 6, "ema"), ({"loss": 0, "emotion/ua": 0}, "ema")]
    made.run()
    assert recorder.calls[3] == ({}, "ema")
    assert made.progress.last_evaluation == 8
    assert made.progress.best_weights is None  # the only phase


def test_monitored_value_must_improve() -> None:
    made, _ = evaluations(
        [result(2.0, 0.5), result(1.9, 0.6), result(1.0, 0.6)], early_stopping={"min_delta": 0.5}
    )
    assert [made.run()[1] for _ in range(3)] == [True, False, True]


def test_best_weights_are_saved_for_the_next_phase() -> None:
    made, recorder = evaluations([result(2.0, 0.5), result(1.0, 0.4)], phases=2)
    made.run()
    assert recorder.calls[-1] == ("best-phase1-step-8.safetensors", "raw")
    made.progress.step = 9
    made.run()  # the decisive value, the recall, was better before
    assert made.progress.best_weights == "best-phase1-step-8.safetensors"


def test_without_validation_rows_nothing_is_evaluated() -> None:
    made, recorder = evaluations([], sample=0)
    made.all_rows = np.arange(0)
    made.run_on_start()
    assert recorder.calls == [("start", None)]
    recorder.calls.clear()
    assert made.run() == ({}, True)
    assert recorder.calls == []
    made.finish()
    assert recorder.calls == [("last", "raw")]


def test_given_weights_are_evaluated_and_kept_as_start() -> None:
    made, recorder = evaluations([result(2.0, 0.5)])
    made.run_on_start()
    assert recorder.calls == [("evaluate", 6, "raw"), ("start", 2.0)]


@pytest.mark.parametrize(("keep", "calls"), [(False, []), (3, [("epoch", 3, {"loss": 1.0}, "ema")])])
def test_epochs_are_kept_if_requested(keep: bool | int, calls: list[Any]) -> None:
    made, recorder = evaluations([], keep_epochs=keep, averaged=True)
    made.end_epoch({"loss": 1.0})
    assert recorder.calls == calls


def test_last_weights_are_kept_averaged_and_raw() -> None:
    made, recorder = evaluations([], averaged=True, phases=2)
    made.finish()
    # No evaluation has chosen the best: the last ones start the next phase.
    expected = [("last", "ema"), ("best-phase1-step-8.safetensors", "ema"), ("last_raw", "raw")]
    assert recorder.calls == expected


def test_best_weights_of_a_sample_are_evaluated_on_the_whole_split() -> None:
    made, recorder = evaluations([result(2.0, 0.5), {"loss": 4.0, "emotion/ua": float("nan")}], sample=4)
    made.run()
    del recorder.calls[:]
    made.finish()
    assert recorder.calls == [
        ("last", "raw"),
        ("evaluate_all", 6, "best-phase1-step-8.safetensors"),
        (["best_emotion_ua"], {"metrics_of_all_rows": {"loss": 4.0}}),
    ]
