"""What a phase would leave untrained without notice: outputs without a label, weights without a gradient."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from soritune.errors import TrainingError
from soritune.training.step import LEAST_WATCHED, WATCHED_STEPS, Stepper


class LabelCheck:
    """Stops a phase in which an output never has a label.

    Args:
        outputs: names of the outputs.
        epochs_for_all_rows: epochs in which every row comes at least once.
        drawn: outputs whose labels are left out by chance, so that all of them may be in an epoch of few rows; they are
            not checked.
    """

    def __init__(self, outputs: Sequence[str], epochs_for_all_rows: int, drawn: Collection[str] = ()) -> None:
        self.outputs, self.epochs_for_all_rows = tuple(outputs), epochs_for_all_rows
        self.drawn = frozenset(drawn)
        self.counts = [0.0] * len(self.outputs)
        self.whole_epochs = 0

    def add_step(self, counts: Sequence[float]) -> None:
        """Adds the label counts of a step, one per output."""
        self.counts = [total + count for total, count in zip(self.counts, counts, strict=True)]

    def end_epoch(self) -> None:
        """Counts an epoch that was trained whole; called after the epoch's last step.

        Raises:
            TrainingError: every row has come, and an output had no label.
        """
        self.whole_epochs += 1
        if self.whole_epochs != self.epochs_for_all_rows:
            return
        counts = zip(self.outputs, self.counts, strict=True)
        never = [name for name, count in counts if not count and name not in self.drawn]
        if never:
            raise TrainingError(
                f"no training row had a usable label for {', '.join(never)} though each has come; the reasons, if "
                "any, are in quarantine.jsonl; take the task out of the recipe or give it labels"
            )


class GradientCheck:
    """Stops a phase after its first steps if a weight that is to be trained has never had a gradient.

    Args:
        stepper: watches the gradients.
        total_steps: steps of the phase.
    """

    def __init__(self, stepper: Stepper, total_steps: int) -> None:
        self.stepper, self.total_steps = stepper, total_steps
        self.passed = False

    def is_due(self, phase_step: int) -> bool:
        """Whether the check is still open and enough steps were watched after `phase_step` steps of the phase."""
        watched = self.stepper.watched_steps
        enough = watched == WATCHED_STEPS or (phase_step == self.total_steps and watched >= LEAST_WATCHED)
        return enough and not self.passed

    def refuse_silent_weights(self) -> None:
        """Checks the watched gradients, once per phase.

        Raises:
            TrainingError: a weight had no gradient.
        """
        self.passed = True
        silent = self.stepper.silent_weights()
        if silent:
            raise TrainingError(
                f"{len(silent)} trainable tensors had no gradient in the first {self.stepper.watched_steps} steps, "
                f"beginning with {silent[0]}; they would be saved as if trained: freeze them under model.freeze or "
                "correct model.lora.targets"
            )
