"""Which bundles a run leaves, and what their cards contain about the training."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.read import is_bundle, load_bundle
from soritune.bundles.write import update_card
from soritune.errors import OutputError
from soritune.models.model import SpeechModel
from soritune.models.saving import save_bundle
from soritune.run_folder import START, RunFolder
from soritune.tasks.task import Task
from soritune.training.checkpoint import checkpoints, resume_advice
from soritune.training.phases import Phase
from soritune.training.run_progress import Progress


class BundleKeeper:
    """Saves the model of a run, with its current weights, under the names of a phase.

    Args:
        model: what is saved.
        tasks: what its outputs are for.
        preprocessing: what happens to audio before the model.
        card: fields of every bundle's card.
        folder: of the run.
        phase: whose names the bundles get.
    """

    def __init__(
        self,
        model: SpeechModel,
        tasks: Sequence[Task],
        preprocessing: Preprocessing,
        card: Mapping[str, Any],
        folder: RunFolder,
        phase: Phase,
    ) -> None:
        self.model, self.tasks, self.preprocessing, self.card = model, tasks, preprocessing, card
        self.folder, self.phase, self.settings = folder, phase, phase.settings

    def path(self, name: str) -> Path:
        """Folder of this phase's bundle `name`."""
        return self.folder.bundle(f"{self.phase.prefix}{name}")

    def save(self, name: str, values: Mapping[str, float], progress: Progress, *, averaged: bool) -> None:
        """Saves the current weights; `averaged` states whether they are averages."""
        self._save(self.path(name), values, progress, averaged=averaged)

    def _save(self, path: Path, values: Mapping[str, float], progress: Progress, *, averaged: bool) -> None:
        ema = self.settings.ema
        training: dict[str, Any] = {
            "step": progress.step,
            "epochs_done": progress.epochs_done,
            "metrics": {key: value for key, value in values.items() if math.isfinite(value)},
            "weights": "ema" if averaged else "raw",
        }
        new_parts = self.model.load_report.new_parts
        if new_parts:
            training["new_parts"] = list(new_parts)
        if averaged and ema is not None:
            training["ema_decay"] = ema.decay
        if self.phase.count > 1:
            training |= {
                "phase": self.phase.number,
                "phases": self.phase.count,
                "phase_name": self.phase.name,
            }
        try:
            save_bundle(
                self.model,
                path,
                tasks=self.tasks,
                preprocessing=self.preprocessing,
                card_fields={**self.card, "training": training},
            )
        except OutputError as error:
            raise OutputError(error.problem, resume_advice(checkpoints(self.folder))) from error

    def save_start(self, values: Mapping[str, float], progress: Progress) -> None:
        """Saves the weights the run was given, as `start`."""
        self._save(self.folder.bundle(START), values, progress, averaged=False)

    def save_best(
        self,
        bundles: Mapping[str, str],
        ranks: Mapping[str, int],
        values: Mapping[str, float],
        progress: Progress,
        *,
        averaged: bool,
    ) -> None:
        """Saves the weights under the names of the values by which they are among the best.

        The best is `best_<value>`, the others of the `keep_best` best are `best_<value>_step<N>`.

        Args:
            bundles: bundle to the value by which it is the best.
            ranks: of the values by which the weights are among the best, from 0.
            values: of this evaluation.
            progress: has all that are kept.
            averaged: the weights are averages.
        """
        for name, value in bundles.items():
            if value not in ranks:
                continue
            rank, kept = ranks[value], progress.kept[value]
            if rank == 0 and len(kept) > 1:
                self._step_down(name, int(kept[1][1]))
            self.save(
                name if rank == 0 else f"{name}_step{progress.step}", values, progress, averaged=averaged
            )
            others = {self.path(f"{name}_step{int(step)}").name for _, step, _ in kept[1:]}
            for old in self.path(name).parent.glob(f"{self.phase.prefix}{name}_step*"):
                if old.name not in others and old.name.rpartition("_step")[2].isdecimal():
                    drop(old)

    def save_epoch(
        self, keep: bool | int, values: Mapping[str, float], progress: Progress, *, averaged: bool
    ) -> None:
        """Saves the weights at the end of an epoch and drops the epochs that are too old.

        It comes before the epoch's checkpoint: a run that is cut off between the two repeats the epoch and writes the
        same bundle again.
        """
        epoch = progress.epoch + 1
        self.save(f"epoch_{epoch}", values, progress, averaged=averaged)
        if keep is not True:
            drop_old_epochs(self.folder.bundles, epoch - keep, self.phase.prefix)

    def _step_down(self, name: str, step: int) -> None:
        """Renames the best so far, of step `step`, to one of the others.

        A process that was killed in between may have renamed it already.
        """
        best, renamed = self.path(name), self.path(f"{name}_step{step}")
        if is_bundle(best) and load_bundle(best).card["training"]["step"] == step:
            shutil.rmtree(renamed, ignore_errors=True)
            best.rename(renamed)

    def note(self, names: Iterable[str], **more: Any) -> None:
        """Adds fields to the section `training` in the cards of some bundles."""
        for path in map(self.path, names):
            if is_bundle(path):
                update_card(path, training={**load_bundle(path).card["training"], **more})


def drop_old_epochs(bundles: Path, last: int, prefix: str = "") -> None:
    """Removes the bundles epoch_1 … epoch_<last> of a phase whose names begin with `prefix`."""
    for folder in sorted(bundles.glob(f"{prefix}epoch_*")):
        number = folder.name.removeprefix(f"{prefix}epoch_")
        if number.isdecimal() and int(number) <= last:
            drop(folder)


def drop(folder: Path) -> None:
    """Removes a bundle: it is hidden by one rename, so that a reader never sees half of it, then deleted."""
    hidden = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(hidden, ignore_errors=True)
    folder.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)
