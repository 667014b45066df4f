from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soritune.corpus.manifest import Manifest
from soritune.errors import TrainingError
from soritune.training.log import RunLog
from soritune.training.run_progress import Progress
from soritune.training.skipped_steps import SkippedSteps


class Steps:
    """Of 4 micro-batches each on 2 processes: micro-batch m of step s has the row 4 s + m."""

    num_processes = 2

    def __init__(self, skipped: list[tuple[int, list[int]]]) -> None:
        self.skipped = skipped

    def non_finite(self) -> list[tuple[int, list[int]]]:
        return self.skipped

    def rows_of_step(self, epoch: int, step: int, micro: list[int] | None = None) -> np.ndarray:
        assert epoch == 1
        return 4 * step + np.array(range(4) if micro is None else micro)


def collect(
    tones: Manifest, folder: Path, skipped: list[tuple[int, list[int]]], max_steps: int
) -> tuple[Progress, str]:
    """After 7 steps of the phase, 17 of the run and 3 of its epoch 1."""
    progress = Progress(epoch=1, phase_step=7, step=17, step_in_epoch=3)
    steps: Any = Steps(skipped)
    with RunLog(folder) as log:
        SkippedSteps(steps, steps, tones, progress, log, max_steps).collect()
    return progress, (folder / "train.log").read_text(encoding="utf-8")


def test_skipped_step_is_logged_with_the_rows_of_its_micro_batch(tones: Manifest, tmp_path: Path) -> None:
    """Step index 5 of the phase is the one before last: index 1 of the epoch, number 16 of the run.

    Local micro-batch 1 is one of the micro-batches 2 and 3 of the step, which have the rows 6 and 7.
    """
    progress, log = collect(tones, tmp_path, [(5, [1])], max_steps=1)
    assert progress.non_finite_steps == 1
    line = f"warning: step 16 skipped, loss or gradient not finite; rows {tones.ids[6]}, {tones.ids[7]}\n"
    assert log.endswith(line)


def test_all_rows_are_named_if_only_the_gradient_was_not_finite(tones: Manifest, tmp_path: Path) -> None:
    _, log = collect(tones, tmp_path, [(6, [])], max_steps=1)
    assert f"step 17 skipped, loss or gradient not finite; rows {', '.join(tones.ids[8:12])}\n" in log


def test_too_many_skipped_steps_stop_the_run(tones: Manifest, tmp_path: Path) -> None:
    names = ", ".join(tones.ids[8:12])
    with pytest.raises(
        TrainingError, match=f"^2 steps had a loss or gradient .*, the last with rows {names};"
    ):
        collect(tones, tmp_path, [(5, []), (6, [])], max_steps=1)


def test_nothing_is_logged_without_a_skipped_step(tones: Manifest, tmp_path: Path) -> None:
    progress, log = collect(tones, tmp_path, [], max_steps=0)
    assert (progress.non_finite_steps, log) == (0, "")
