from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from soritune.training.end_reason import EndReason
from soritune.training.run_progress import Progress


def test_phase_begins_from_zero_and_steps_are_counted_over_all_phases() -> None:
    progress = Progress(
        epoch=4,
        step_in_epoch=3,
        phase_step=9,
        step=9,
        best={"loss": 1.0},
        kept={"loss": [[1.0, 9, 1.0]]},
        best_weights="best.safetensors",
        stale_evaluations=2,
        monitored=1.0,
        failed_rows=1,
        last_evaluation=9,
        ended=EndReason.END,
        non_finite_steps=2,
        done=[{"index": 0}],
    )
    progress.next_phase(1)
    assert progress == Progress(phase=1, step=9, non_finite_steps=2, done=[{"index": 0}])


@pytest.mark.parametrize("reason", [None, *EndReason])
def test_progress_is_the_same_after_json(reason: EndReason | None) -> None:
    progress = Progress(step=3, ended=reason, kept={"loss": [[0.5, 3, 0.5]]})
    text = json.dumps(asdict(progress))
    read = Progress.from_json(json.loads(text))
    assert read == progress and json.dumps(asdict(read)) == text  # a step stays a whole number
    assert json.loads(text)["ended"] == (None if reason is None else str(reason))


def test_reasons_have_the_names_that_logs_and_checkpoints_contain() -> None:
    assert [str(reason) for reason in EndReason] == ["end", "early", "max_steps", "interrupted"]
