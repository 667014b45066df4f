"""The weights that a phase changes: their averages, and the file of the best ones. Next: `training/evaluations.py`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from torch import Tensor, nn

from soritune.models.trainable_state import trainable_state
from soritune.run_folder import RunFolder
from soritune.training.averaging import Averager
from soritune.training.checkpoint import load_weights, put_weights, save_weights


class PhaseWeights:
    """The weights that a phase and those before it train.

    Args:
        model: has them.
        changed: names of weights that this phase or an earlier one trains.
        averager: their averages, or None.
        folder: of the run.
    """

    def __init__(
        self, model: nn.Module, changed: Collection[str], averager: Averager | None, folder: RunFolder
    ) -> None:
        self.model, self.changed, self.averager, self.folder = model, changed, averager, folder

    def state(self) -> dict[str, Tensor]:
        """The current weights by name; not copied."""
        return trainable_state(self.model, self.changed)

    def averages(self) -> dict[str, Tensor] | None:
        """The averaged weights by name; None without averages."""
        return None if self.averager is None else self.averager.weights

    def averaged(self) -> AbstractContextManager[None]:
        """The model has the averaged weights while the block runs; without averages it keeps its own."""
        return contextlib.nullcontext() if self.averager is None else self.averager.in_place()

    def save(self, file: Path) -> None:
        """Writes the current weights as one file."""
        save_weights(self.folder, file, self.state())

    @contextmanager
    def read_from(self, file: Path) -> Iterator[None]:
        """The model has the weights of a file while the block runs, and its own again afterwards."""
        current = {name: value.clone() for name, value in self.state().items()}
        put_weights(self.model, load_weights(file))
        try:
            yield
        finally:
            put_weights(self.model, current)
