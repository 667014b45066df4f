"""What stops a phase or is counted on the way: unusable rows, steps that are not finite, silent weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from soritune.corpus.checks import read_quarantine, write_quarantine
from soritune.errors import OutputError, TrainingError
from soritune.run_folder import RunFolder
from soritune.training.agreement import Agreed
from soritune.training.batches.batch import Batch
from soritune.training.checkpoint import checkpoints, what_is_left
from soritune.training.epochs import Epochs
from soritune.training.session import Session
from soritune.training.step import WATCHED_STEPS, Stepper


class Faults:
    """Counts the faults of one phase in `Progress`. Every process counts, and stops, alike."""

    def __init__(self, session: Session, epochs: Epochs, stepper: Stepper) -> None:
        self.session, self.epochs, self.stepper = session, epochs, stepper
        self.targets_seen = [0.0] * len(session.model.outputs)
        self.epochs_seen = 0
        self.watch_done = False
        # The same row fails again in every epoch; it is written down once, also after an interruption.
        written = read_quarantine(RunFolder(session.run.folder).quarantine)
        self.noted = {(row.id, row.reason) for row in written if row.stage == "training"}

    def note_targets(self, counts: Sequence[float]) -> None:
        """Remembers which outputs have had labels."""
        self.targets_seen = [a + b for a, b in zip(self.targets_seen, counts, strict=True)]

    def note_rows(self, micro: Sequence[Batch], agreed: Agreed) -> None:
        """Writes down the unusable rows of all processes and counts them. Too many stop the run, everywhere alike."""
        failed = agreed.failed
        if agreed.to_note:
            rows = self.session.group.gather([one for batch in micro for one in batch.failed])
            self.session.on_main(lambda: self._write_down(rows))
        self.session.progress.failed_rows += failed
        of_all = len(self.epochs.plan(self.session.progress.epoch).rows)
        if failed and self.session.progress.failed_rows > max(
            self.session.settings.max_failed_share * of_all, 1
        ):
            raise TrainingError(
                f"{self.session.progress.failed_rows} of {of_all} training rows could not be used in this "
                "epoch, more than train.max_failed_share allows; their ids and reasons are in quarantine.jsonl"
            )

    def _write_down(self, failures: Sequence[Sequence[Any]]) -> None:
        """Adds (row, reason) of rows to quarantine.jsonl."""
        ids, files = self.session.run.manifest.column("id"), self.session.run.manifest.column("audio")
        lines = []
        for row, reason in failures:
            record = {
                "id": ids[row].as_py(),
                "audio": files[row].as_py(),
                "reason": reason,
                "stage": "training",
            }
            if (record["id"], reason) not in self.noted:
                self.noted.add((record["id"], reason))
                lines.append(json.dumps(record, ensure_ascii=False) + "\n")
        path = RunFolder(self.session.run.folder).quarantine
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write("".join(lines))
        except OSError as error:
            left = what_is_left(checkpoints(self.session.store))
            raise OutputError(f"{path} cannot be written ({error.strerror}); {left}") from error

    def collect_skipped_steps(self) -> None:
        """Counts the steps that were skipped since the last look, and names their rows. Too many stop the run."""
        progress, processes = self.session.progress, self.session.accelerator.num_processes
        for done, local in self.stepper.non_finite():
            in_epoch = progress.step_in_epoch - (progress.phase_step - done)
            micro = [i * processes + rank for i in local for rank in range(processes)] or None
            ids = self.session.run.manifest.column("id")
            rows = self.epochs.rows_of_step(progress.epoch, in_epoch, micro)
            shown = ", ".join(str(ids[int(row)].as_py()) for row in rows[:12])
            shown += " …" if len(rows) > 12 else ""
            at = progress.step - (progress.phase_step - done)
            progress.non_finite_steps += 1
            self.session.log.say(f"warning: step {at + 1} skipped, loss or gradient not finite; rows {shown}")
            if progress.non_finite_steps > self.session.settings.max_non_finite_steps:
                raise TrainingError(
                    f"{progress.non_finite_steps} steps had a loss or gradient that is not finite, the last with "
                    f"rows {shown}; lower train.learning_rate or use train.precision=fp32"
                )

    def refuse_untrained_outputs(self) -> None:
        """Counts an epoch that was seen whole; once all rows have come, an output without any label stops the run."""
        self.epochs_seen += 1
        if self.epochs_seen != self.epochs.round:
            return
        never = [
            s.name for s, seen in zip(self.session.model.outputs, self.targets_seen, strict=True) if not seen
        ]
        if never:
            raise TrainingError(
                f"no training row had a usable label for {', '.join(never)} though each has come; the reasons, if "
                "any, are in quarantine.jsonl; take the task out of the recipe or give it labels"
            )

    def refuse_silent_weights(self) -> None:
        """Stops a phase after its first steps where a weight that is to be trained has never had a gradient."""
        last = self.session.progress.phase_step == self.epochs.total_steps
        if self.watch_done or not self._seen_enough(last):
            return
        self.collect_skipped_steps()  # steps that were not finite showed nothing
        if not self._seen_enough(last):
            return
        self.watch_done = True
        silent = self.stepper.watch.silent()
        if silent:
            raise TrainingError(
                f"{len(silent)} trainable tensors had no gradient in the first {self.stepper.watched_steps} steps, "
                f"beginning with {silent[0]}; they would be saved as if trained: freeze them under model.freeze or "
                "correct model.lora.targets"
            )

    def _seen_enough(self, last: bool) -> bool:
        watched = self.stepper.watched_steps
        return watched == WATCHED_STEPS or (last and watched > 1)


def forget_rows(folder: Path) -> None:
    """Takes out of quarantine.jsonl what an earlier training in the folder wrote; a new one writes its own."""
    written = read_quarantine(RunFolder(folder).quarantine)
    kept = [row for row in written if row.stage != "training"]
    if len(kept) < len(written):
        write_quarantine(RunFolder(folder).quarantine, kept)


def lost_rows(batch: Batch) -> int:
    """Rows that serve no task: one that only some tasks cannot use is not lost."""
    if not batch.failed:
        return 0
    useful = torch.stack([target.present for target in batch.targets.values()]).any(dim=0).tolist()
    bad = {row for row, _ in batch.failed}
    return sum(row in bad and not good for row, good in zip(batch.rows.tolist(), useful, strict=True))
