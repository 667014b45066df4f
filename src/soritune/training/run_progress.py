"""Where a run is: a few numbers that a checkpoint holds as JSON. Torch-free. Next: `training/checkpoint.py`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from soritune.training.end_reason import EndReason


@dataclass(slots=True)
class Progress:
    """Where a run is. `phase`, `epoch`, `step_in_epoch` and the seed determine the next micro-batch."""

    phase: int = 0
    """Index of the phase, from 0."""
    epoch: int = 0
    """Of the phase."""
    step_in_epoch: int = 0
    steps_of_epoch: int = 0
    """Steps of the whole epoch; 0 before it has begun."""
    phase_step: int = 0
    """Optimizer steps of this phase."""
    step: int = 0
    """Optimizer steps so far, over all phases."""
    ended: EndReason | None = None
    """Why the phase ended; None while it is being trained."""
    best: dict[str, float] = field(default_factory=dict)
    """Best value in this phase of everything by which bundles are kept."""
    best_epochs: dict[str, float] = field(default_factory=dict)
    """By value: `epochs_done` when it was the best."""
    kept: dict[str, list[list[int | float]]] = field(default_factory=dict)
    """By value, best first: [value, step, validation loss] of the weights that are kept."""
    best_weights: str | None = None
    """File beside the checkpoints with the weights that the next phase starts from."""
    stale_evaluations: int = 0
    """Evaluations since the monitored value last improved by `min_delta`."""
    monitored: float | None = None
    """The value with which the next evaluations are compared."""
    non_finite_steps: int = 0
    """Steps of the run that were skipped, because their loss or gradient was not finite."""
    phase_skipped_steps: int = 0
    """Those of this phase."""
    failed_rows: int = 0
    """Rows of this epoch that could not be used."""
    last_evaluation: int = -1
    """Step of the last evaluation."""
    done: list[dict[str, Any]] = field(default_factory=list)
    """Finished phases: index, name, steps, why they ended ("stopped"), best values, file of their best weights."""

    def __post_init__(self) -> None:
        # JSON has it as a plain string.
        self.ended = None if self.ended is None else EndReason(self.ended)

    @classmethod
    def from_json(cls, values: Any) -> Progress:
        """The inverse of `asdict`, from a file that others may have written.

        Raises:
            ValueError: a field is unknown or has another type.
        """
        unknown = set(values) - set(cls.__slots__) if isinstance(values, dict) else {"progress"}
        if unknown:
            raise ValueError(f"{', '.join(sorted(map(str, unknown)))}: not what a checkpoint contains")
        try:
            progress: Progress = TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
        for done in progress.done:
            if not isinstance(done.get("index"), int) or not isinstance(done.get("weights", 0), str | None):
                raise ValueError("done: a finished phase needs its index and its weights")
        return progress

    @property
    def weight_files(self) -> list[str]:
        """Names of the files of weights beside the checkpoints that are read again."""
        files = [self.best_weights, *(done["weights"] for done in self.done)]
        return [name for name in files if name is not None]

    @property
    def epochs_done(self) -> float:
        """Epochs of the phase that were trained, with the part of the current one: 14.0 at the end of the 14th."""
        return self.epoch + self.step_in_epoch / max(self.steps_of_epoch, 1)

    @property
    def is_untrained(self) -> bool:
        """Whether every step of the phase so far was skipped."""
        return 0 < self.phase_step == self.phase_skipped_steps

    def reopen(self) -> None:
        """Takes back the end of the last phase if it ended with its epochs, so that more can be trained."""
        if self.ended is EndReason.END:
            self.ended = None
            self.done.pop()

    def next_phase(self, index: int) -> None:
        """Begins phase `index`. Steps of the run and what is known of earlier phases are kept."""
        fresh = Progress(phase=index, step=self.step, done=self.done, non_finite_steps=self.non_finite_steps)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
