"""Evaluates the weights of one phase and keeps the best of them. Next: `training/keeping.py`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soritune.run_folder import RunFolder
from soritune.training.keeping import BundleKeeper
from soritune.training.phase_log import PhaseLog
from soritune.training.phase_weights import PhaseWeights
from soritune.training.phases import Phase
from soritune.training.process_group import ProcessGroup
from soritune.training.run_progress import Progress
from soritune.training.selection import Selection
from soritune.training.validation import Validation


class Evaluations:
    """The evaluations of one phase.

    Args:
        evaluate: losses and rates of the model on manifest rows.
        rows: manifest rows of an evaluation.
        all_rows: the validation split, of which `rows` may be a sample.
        phase: what is trained.
        weights: the phase's.
        selection: which weights are kept.
        keeper: saves them as bundles.
        folder: of the run.
        progress: where the run is.
        log: of the phase.
        group: the processes of the run.
    """

    def __init__(
        self,
        *,
        evaluate: Callable[[NDArray[np.int64]], Validation],
        rows: NDArray[np.int64],
        all_rows: NDArray[np.int64],
        phase: Phase,
        weights: PhaseWeights,
        selection: Selection,
        keeper: BundleKeeper,
        folder: RunFolder,
        progress: Progress,
        log: PhaseLog,
        group: ProcessGroup,
    ) -> None:
        self.evaluate, self.rows, self.all_rows = evaluate, rows, all_rows
        self.phase, self.weights, self.selection, self.keeper = phase, weights, selection, keeper
        self.folder, self.progress, self.log, self.group = folder, progress, log, group
        self.averaged = weights.averager is not None
        self.keep_epochs = phase.settings.keep_epochs

    def run_on_start(self) -> None:
        """Evaluates the weights the run was given and keeps them as the bundle `start`."""
        values = self._logged("evaluate", self.rows).values if len(self.rows) else {}
        self._keep_start(values)

    def keep_start(self) -> None:
        """Keeps the weights the run was given without an evaluation: some of their heads are new."""
        self._keep_start({})

    def _keep_start(self, values: dict[str, float]) -> None:
        self.group.on_main_briefly(lambda: self.keeper.save_start(values, self.progress))

    def run(self) -> tuple[dict[str, float], bool]:
        """Evaluates the weights and keeps them if they are among the best so far.

        Returns:
            The values by name, and whether the monitored one improved. Without validation rows: no values, and True.
        """
        progress = self.progress
        progress.last_evaluation = progress.step
        if len(self.rows) == 0:
            return {}, True
        with self.weights.averaged():
            values = self._logged("evaluate", self.rows).values
            ranks = self.selection.entered(values, progress)
            self.group.on_main_briefly(
                lambda: self.keeper.save_best(
                    self.selection.bundles, ranks, values, progress, averaged=self.averaged
                )
            )
            if ranks.get(self.selection.decisive) == 0:
                self._keep_weights()
        return values, self.selection.monitored_improved(values, progress)

    def end_epoch(self, values: dict[str, float]) -> None:
        """Keeps the weights at the end of an epoch if `train.keep_epochs` is set; `values` are those of its
        evaluation."""
        keep = self.keep_epochs
        if keep is not False:
            with self.weights.averaged():
                self.group.on_main_briefly(
                    lambda: self.keeper.save_epoch(keep, values, self.progress, averaged=self.averaged)
                )

    def finish(self) -> None:
        """Keeps the last weights of the phase, and evaluates the best on the whole validation split if the other
        evaluations took a sample."""
        progress = self.progress
        with self.weights.averaged():
            self.group.on_main_briefly(lambda: self.keeper.save("last", {}, progress, averaged=self.averaged))
            if progress.best_weights is None:
                self._keep_weights()
        if self.averaged:
            self.group.on_main_briefly(lambda: self.keeper.save("last_raw", {}, progress, averaged=False))
        if len(self.rows) < len(self.all_rows) and progress.best_weights is not None:
            self._run_on_all(progress.best_weights)

    def _logged(self, event: str, rows: NDArray[np.int64]) -> Validation:
        result = self.evaluate(rows)
        self.log.evaluation(event, len(rows), result)
        return result

    def _keep_weights(self) -> None:
        """Keeps the current weights as those from which the next phase starts."""
        file = self.folder.best_weights(self.phase.number, self.progress.step)
        # Without a next phase they are needed only for the evaluation on the whole split.
        if self.phase.number < self.phase.count or len(self.rows) < len(self.all_rows):
            self.group.on_main_briefly(lambda: self.weights.save(file))
            self.progress.best_weights = file.name

    def _run_on_all(self, best_weights: str) -> None:
        """Evaluates the best weights on the whole validation split and notes the values in their bundles' cards."""
        with self.weights.read_from(self.folder.checkpoints / best_weights):
            values = self._logged("evaluate_all", self.all_rows).values
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        best = self.selection.decisive_bundles()
        self.group.on_main_briefly(lambda: self.keeper.note(best, metrics_of_all_rows=finite))
