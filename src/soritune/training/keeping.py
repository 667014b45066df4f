"""Which bundles a run leaves, and what their cards say of the training."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from soritune.bundles.read import is_bundle, load_bundle
from soritune.bundles.write import update_card
from soritune.errors import OutputError
from soritune.models.saving import save_bundle
from soritune.training.checkpoint import Progress, checkpoints, what_is_left
from soritune.training.phases import Phase
from soritune.training.run import TrainingRun
from soritune.training.selection import drop, drop_old_epochs


class BundleKeeper:
    """Saves the model of a run, as it stands, under the names of a phase."""

    def __init__(self, run: TrainingRun, phase: Phase) -> None:
        self.run, self.phase = run, phase
        self.folder = run.folder / "bundles"

    def path(self, name: str) -> Path:
        """Where this phase's bundle `name` lies."""
        return self.folder / f"{self.phase.prefix}{name}"

    def save(self, name: str, values: Mapping[str, float], progress: Progress, *, averaged: bool) -> None:
        """Saves the weights as they stand; `averaged` says what they are."""
        self._save(self.path(name), values, progress, averaged=averaged)

    def _save(self, path: Path, values: Mapping[str, float], progress: Progress, *, averaged: bool) -> None:
        ema = self.phase.settings.ema
        training: dict[str, Any] = {
            "step": progress.step,
            "epoch": progress.epoch,
            "metrics": {key: value for key, value in values.items() if math.isfinite(value)},
            "weights": "ema" if averaged else "raw",
        }
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
                self.run.model,
                path,
                tasks=self.run.tasks,
                preprocessing=self.run.preprocessing,
                card_fields=self.run.card | {"training": training},
            )
        except OutputError as error:
            left = what_is_left(checkpoints(self.run.folder / "checkpoints"))
            raise OutputError(f"{str(error).partition('; ')[0]}; {left}") from error

    def save_start(self, values: Mapping[str, float], progress: Progress) -> None:
        """Saves the model as it was given, as `start`."""
        self._save(self.folder / "start", values, progress, averaged=False)

    def save_best(
        self,
        bundles: Mapping[str, str],
        places: Mapping[str, int],
        values: Mapping[str, float],
        progress: Progress,
        *,
        averaged: bool,
    ) -> None:
        """Saves the weights under the names of the values they are among the best by.

        The best is `best_<value>`, the others of the `keep_best` best are `best_<value>_step<N>`.

        Args:
            bundles: bundle to the value it is the best by.
            places: of the values the weights are among the best by, from 0.
            values: of this evaluation.
            progress: knows all that are kept.
            averaged: what the weights are.
        """
        for name, value in bundles.items():
            if value not in places:
                continue
            place, kept = places[value], progress.kept[value]
            if place == 0 and len(kept) > 1:
                self._step_down(name, int(kept[1][1]))
            own = name if place == 0 else f"{name}_step{progress.step}"
            self.save(own, values, progress, averaged=averaged)
            others = {self.path(f"{name}_step{int(step)}").name for _, step, _ in kept[1:]}
            for old in self.folder.glob(f"{self.phase.prefix}{name}_step*"):
                if old.name not in others and old.name.rpartition("_step")[2].isdecimal():
                    drop(old)

    def save_epoch(
        self, keep: bool | int, values: Mapping[str, float], progress: Progress, *, averaged: bool
    ) -> None:
        """Saves the weights at the end of an epoch and drops the epochs that are too old.

        It comes before the epoch's checkpoint: a run that is cut off between the two does the epoch again and writes
        the same bundle again.
        """
        epoch = progress.epoch + 1
        self.save(f"epoch_{epoch}", values, progress, averaged=averaged)
        if keep is not True:
            drop_old_epochs(self.folder, epoch - keep, self.phase.prefix)

    def _step_down(self, name: str, step: int) -> None:
        """The best so far becomes one of the others. After a kill half-way it may have done so already."""
        best, other = self.path(name), self.path(f"{name}_step{step}")
        if is_bundle(best) and load_bundle(best).card["training"]["step"] == step:
            shutil.rmtree(other, ignore_errors=True)
            best.rename(other)

    def note(self, names: Iterable[str], **more: Any) -> None:
        """Adds to what the cards of some bundles say of the training."""
        for path in map(self.path, names):
            if is_bundle(path):
                update_card(path, training={**load_bundle(path).card["training"], **more})
