"""Training rows that cannot be used: they are written to quarantine.jsonl, and too many of them stop the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch

from soritune.corpus.checks import read_quarantine, write_quarantine
from soritune.corpus.manifest import Manifest
from soritune.errors import OutputError, TrainingError, reason_of
from soritune.run_folder import RunFolder
from soritune.training.batches.batch import Batch
from soritune.training.checkpoint import checkpoints, resume_advice
from soritune.training.process_group import ProcessGroup
from soritune.training.run_progress import Progress

STAGE = "training"
"""Of the rows in quarantine.jsonl."""


class FailedRows:
    """Counts and records the rows of one phase that could not be used. Every process counts, and stops, alike.

    Args:
        manifest: where the rows are.
        folder: of the run.
        group: the processes of the run.
        progress: counts the failed rows of the epoch.
        max_share: the run stops when more than this share of an epoch's rows failed.
    """

    def __init__(
        self,
        manifest: Manifest,
        folder: RunFolder,
        group: ProcessGroup,
        progress: Progress,
        max_share: float,
    ) -> None:
        self.manifest, self.folder, self.group = manifest, folder, group
        self.progress, self.max_share = progress, max_share
        # The same row fails again in every epoch. It is recorded once, also after an interruption.
        recorded = read_quarantine(folder.quarantine)
        self.recorded = {(row.id, row.reason) for row in recorded if row.stage == STAGE}

    def note(
        self, micro: Sequence[Batch], *, num_failed: int, num_to_record: int, rows_in_epoch: int
    ) -> None:
        """Records the failed rows of a step.

        Args:
            micro: this process's micro-batches.
            num_failed: rows of all processes that no output could use.
            num_to_record: rows of all processes that some output could not use.
            rows_in_epoch: rows that the epoch visits.

        Raises:
            TrainingError: too many rows of the epoch failed.
        """
        if num_to_record:
            failures = self.group.gather([failure for batch in micro for failure in batch.failed])
            self.group.on_main_briefly(lambda: self._record(failures))
        self.progress.failed_rows += num_failed
        failed, quarantine = self.progress.failed_rows, self.folder.quarantine
        if num_failed and failed > max(self.max_share * rows_in_epoch, 1):
            raise TrainingError(
                f"{failed} of {rows_in_epoch} training rows could not be used in this epoch, more than "
                f"train.max_failed_share allows; their ids and reasons are in {quarantine.name}"
            )

    def _record(self, failures: Sequence[Sequence[Any]]) -> None:
        """Appends (row, reason) pairs to the quarantine."""
        ids, files = self.manifest.column("id"), self.manifest.column("audio")
        lines = []
        for row, reason in failures:
            record = {"id": ids[row].as_py(), "audio": files[row].as_py(), "reason": reason, "stage": STAGE}
            if (record["id"], reason) not in self.recorded:
                self.recorded.add((record["id"], reason))
                lines.append(json.dumps(record, ensure_ascii=False) + "\n")
        path = self.folder.quarantine
        try:
            with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write("".join(lines))
        except OSError as error:
            advice = resume_advice(checkpoints(self.folder))
            raise OutputError(f"{path} cannot be written ({reason_of(error)})", advice) from error


def forget_rows(folder: RunFolder) -> None:
    """Removes from the quarantine the rows of an earlier training in the folder; a new training records its own."""
    recorded = read_quarantine(folder.quarantine)
    kept = [row for row in recorded if row.stage != STAGE]
    if len(kept) < len(recorded):
        write_quarantine(folder.quarantine, kept)


def lost_rows(batch: Batch) -> int:
    """Number of rows that no output can use; a row that only some outputs cannot use is not lost."""
    if not batch.failed:
        return 0
    useful = torch.stack([target.present for target in batch.targets.values()]).any(dim=0).tolist()
    failed = {row for row, _ in batch.failed}
    return sum(row in failed and not good for row, good in zip(batch.rows.tolist(), useful, strict=True))
