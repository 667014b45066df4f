from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from soritune.corpus.checks import Quarantined, write_quarantine
from soritune.corpus.manifest import Manifest
from soritune.errors import OutputError, TrainingError
from soritune.run_folder import RunFolder
from soritune.training.batches.batch import Batch, Target
from soritune.training.failed_rows import FailedRows, forget_rows, lost_rows
from soritune.training.process_group import ProcessGroup
from soritune.training.run_progress import Progress


def batch_of(
    rows: list[int], failed: list[tuple[int, str]], present: dict[str, list[bool]] | None = None
) -> Batch:
    none = torch.zeros(len(rows), dtype=torch.int64)
    targets = {name: Target(none, none, torch.tensor(flags), 1.0) for name, flags in (present or {}).items()}
    return Batch({}, targets, np.array(rows), seed=0, failed=failed)


def failed_rows(folder: Path, tones: Manifest, progress: Progress, max_share: float = 0.1) -> FailedRows:
    return FailedRows(tones, RunFolder(folder), ProcessGroup(), progress, max_share)


def lines_of(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "quarantine.jsonl").read_text("utf-8").splitlines()]


def test_row_is_recorded_once_also_after_an_interruption(tmp_path: Path, tones: Manifest) -> None:
    for _ in range(2):  # the second is the resumed run
        rows = failed_rows(tmp_path, tones, Progress(), max_share=1.0)
        for _ in range(2):
            micro = [batch_of([3, 4], [(4, "is empty")])]
            rows.note(micro, num_failed=1, num_to_record=1, rows_in_epoch=30)
    expected = {
        "id": tones.ids[4],
        "audio": f"{tones.ids[4]}.flac",
        "reason": "is empty",
        "stage": "training",
    }
    assert lines_of(tmp_path) == [expected]


def test_more_than_the_permitted_share_stops_the_run(tmp_path: Path, tones: Manifest) -> None:
    """3 of 30 rows are a tenth, 4 are more."""
    progress = Progress()
    rows = failed_rows(tmp_path, tones, progress)
    for row in range(3):
        rows.note([batch_of([row], [(row, "x")])], num_failed=1, num_to_record=1, rows_in_epoch=30)
    assert progress.failed_rows == 3
    with pytest.raises(
        TrainingError, match="^4 of 30 training rows could not be used .* in quarantine.jsonl$"
    ):
        rows.note([batch_of([3], [(3, "x")])], num_failed=1, num_to_record=1, rows_in_epoch=30)
    assert len(lines_of(tmp_path)) == 4


def test_one_failed_row_never_stops_a_run(tmp_path: Path, tones: Manifest) -> None:
    rows = failed_rows(tmp_path, tones, Progress(), max_share=0.0)
    rows.note([batch_of([0], [(0, "x")])], num_failed=1, num_to_record=1, rows_in_epoch=30)
    with pytest.raises(TrainingError, match="^2 of 30"):
        rows.note([batch_of([1], [(1, "x")])], num_failed=1, num_to_record=1, rows_in_epoch=30)


def test_row_that_some_output_can_use_is_recorded_and_not_counted(tmp_path: Path, tones: Manifest) -> None:
    progress = Progress()
    rows = failed_rows(tmp_path, tones, progress, max_share=0.0)
    rows.note([batch_of([0], [(0, "too short")])], num_failed=0, num_to_record=1, rows_in_epoch=1)
    assert (progress.failed_rows, len(lines_of(tmp_path))) == (0, 1)


def test_file_that_cannot_be_written_is_reported(tmp_path: Path, tones: Manifest) -> None:
    rows = failed_rows(tmp_path / "missing", tones, Progress())
    with pytest.raises(
        OutputError, match="cannot be written .*; there is no checkpoint yet; make room"
    ) as caught:
        rows.note([batch_of([0], [(0, "x")])], num_failed=1, num_to_record=1, rows_in_epoch=30)
    assert caught.value.advice == "there is no checkpoint yet; make room and start again"


def test_new_training_forgets_the_rows_of_an_earlier_one_only(tmp_path: Path) -> None:
    quarantined = [
        Quarantined(stage, f"{stage}.wav", "x", stage) for stage in ("check", "training", "decode")
    ]
    write_quarantine(tmp_path / "quarantine.jsonl", quarantined)
    forget_rows(RunFolder(tmp_path))
    assert [line["stage"] for line in lines_of(tmp_path)] == ["check", "decode"]


def test_row_is_lost_if_no_output_can_use_it() -> None:
    """Row 5 failed for both outputs, row 6 for one; row 7 has no label and did not fail."""
    present = {"phoneme": [False, False, False], "emotion": [False, True, False]}
    batch = batch_of([5, 6, 7], [(5, "is empty"), (6, "too short")], present)
    assert lost_rows(batch) == 1
    assert lost_rows(batch_of([5, 6, 7], [], present)) == 0
