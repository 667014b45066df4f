"""The contract of an objective, its torch-free half: the targets of an output and the meaning of its logits.

A file in this folder that binds an instance of an `Objective` to `OBJECTIVE` adds an objective; `OutputSpec.objective`
is its file name. The file with this name in `models/losses/` holds the torch half: head and loss. Other packages join
with an entry point in each of the groups `soritune.tasks.objectives` and `soritune.models.losses`.

Legend of shapes: frames (encoder frames of one utterance), labels; an utterance output has no frame axis.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.errors import TaskError
from soritune.registry import load_identifier
from soritune.tasks.decoding.decoder import GREEDY, Decoder
from soritune.tasks.objectives.probabilities import Float32Array, log_softmax, mean_of_probabilities
from soritune.tasks.specs import OutputSpec, Resolution
from soritune.tasks.task import Task

FOLDER = "soritune.tasks.objectives"


@dataclass(frozen=True, slots=True)
class PaddedTargets:
    """The targets of one output for the rows of a micro-batch."""

    values: NDArray[Any]
    """(batch, …), zero in rows without a target and in padding."""
    lengths: NDArray[np.int64]
    """(batch,): length of each row's target along the second axis of `values`; zeros if there is no such axis."""
    present: NDArray[np.bool_]
    """(batch,): rows with a target."""
    count: float
    """The denominator of the loss."""


@dataclass(frozen=True, slots=True)
class ConstantGuess:
    """A baseline with the same output for every utterance."""

    name: str
    candidates: tuple[tuple[str, Float32Array], ...]
    """(description, output) of each constant; the baseline is the one with the best score. The output is what
    `Task.decode` reads: (labels,), or (0, labels) for an output per frame."""


class Objective(ABC):
    """Targets and logits of an output. Instances have no state."""

    resolutions: ClassVar[tuple[Resolution, ...]]
    """The allowed resolutions of an output."""
    needs_decoder: ClassVar[bool] = False
    """Whether a decoder (`tasks/decoding`) reads the output."""
    is_smoothed: ClassVar[bool] = True
    """Whether `pad` uses `label_smoothing`."""
    options: ClassVar[tuple[str, ...]] = ()
    """The allowed keys of `OutputSpec.options`."""

    def check(self, spec: OutputSpec) -> None:
        """Checks the declaration of an output.

        Raises:
            TaskError: a resolution or an option that this objective does not have.
        """
        if spec.resolution not in self.resolutions:
            raise TaskError(
                f"output '{spec.name}' declares {spec.objective} per {spec.resolution}; {spec.objective} is per "
                f"{' or per '.join(self.resolutions)}"
            )
        unknown = next((key for key in spec.options if key not in self.options), None)
        if unknown is not None:
            known = ", ".join(self.options) or "none"
            raise TaskError(
                f"output '{spec.name}' has the option '{unknown}'; the options of {spec.objective} are: {known}"
            )
        self.check_options(spec)

    def check_options(self, spec: OutputSpec) -> None:
        """Checks the values of `spec.options`; by default any value is allowed.

        Raises:
            TaskError: a value out of range.
        """
        return

    # ── targets ──

    @abstractmethod
    def target_fault(self, spec: OutputSpec, target: NDArray[Any]) -> str | None:
        """Why `target`, from `Task.targets`, has a wrong shape or wrong values; None if it is valid."""

    def frames_needed(self, spec: OutputSpec, target: NDArray[Any]) -> int:
        """The least number of encoder frames of a row with a valid `target`."""
        return int(spec.per_frame)

    def row_fault(self, spec: OutputSpec, target: NDArray[Any], num_frames: int) -> str | None:
        """Why a row of `num_frames` encoder frames cannot be trained on; None if it can."""
        fault = self.target_fault(spec, target)
        needed = 0 if fault else self.frames_needed(spec, target)
        if needed > num_frames:
            return f"{spec.name} needs {needed} frames, there are {num_frames}"
        return fault

    def is_time_aligned(self, spec: OutputSpec) -> bool:
        """Whether a target covers the whole length of an utterance, so that it does not fit a cropped one."""
        return spec.per_frame

    @abstractmethod
    def pad(
        self,
        spec: OutputSpec,
        targets: Sequence[NDArray[Any] | None],
        num_frames: NDArray[np.int64],
        *,
        label_smoothing: float = 0.0,
    ) -> PaddedTargets:
        """Targets of a micro-batch as arrays.

        Args:
            spec: the output.
            targets: a valid target per row; None for a row without one.
            num_frames: (batch,) encoder frames of each row.
            label_smoothing: share of the target mass spread over all labels; ignored by objectives without mass.
        """

    def is_mixable(self, spec: OutputSpec) -> bool:
        """Whether the mean of two rows' padded values is the target of a mixture of the two utterances."""
        return False

    # ── logits ──

    def log_probabilities(self, spec: OutputSpec, logits: NDArray[np.floating]) -> Float32Array:
        """The values that `Task.decode` reads, ([frames,] labels) like `logits`; by default their log-softmax."""
        return log_softmax(logits)

    def logits(self, spec: OutputSpec, log_probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        """Logits from which `log_probabilities` gives these values again; by default the values themselves."""
        return log_probabilities

    def mean(
        self, spec: OutputSpec, parts: Sequence[Float32Array], weights: Sequence[float] | None = None
    ) -> Float32Array:
        """Mean of `log_probabilities` over models or windows; all parts have the same shape."""
        if len(parts) == 1:
            return parts[0]
        share = (
            np.full(len(parts), 1 / len(parts)) if weights is None else np.asarray(weights, dtype=np.float64)
        )
        return self.weighted_mean(np.stack(parts).astype(np.float64), share / share.sum())

    def weighted_mean(self, parts: NDArray[np.float64], shares: NDArray[np.float64]) -> Float32Array:
        """The mean of `parts` (parts, …) with `shares` (parts,), summing to one; by default of probabilities."""
        return mean_of_probabilities(parts, shares)

    def blank_of(self, spec: OutputSpec) -> int | None:
        """Index of the label that stands for no symbol; None for an objective without one, whose outputs cannot be
        aligned with a sequence."""
        return None

    def empty_output(self, spec: OutputSpec) -> Float32Array:
        """The output for an utterance without usable audio: (0, labels) per frame, else that of equal logits."""
        width = len(spec.labels)
        if spec.per_frame:
            return np.zeros((0, width), dtype=np.float32)
        return self.log_probabilities(spec, np.zeros(width, dtype=np.float32))

    # ── consequences for heads, baselines and ensembles ──

    def is_choice(self, spec: OutputSpec) -> bool:
        """Whether an utterance gets exactly one of the labels."""
        return False

    def constant_guess(self, spec: OutputSpec) -> ConstantGuess | None:
        """The baseline that follows from the output, or None."""
        return None

    def same_meaning(self, first: OutputSpec, second: OutputSpec) -> bool:
        """Whether columns with the same label have the same meaning in two outputs, so that they may be averaged.

        By default True for equal resolutions. The labels may be in any order: columns are matched by label.
        """
        return first.resolution == second.resolution

    def description(self, spec: OutputSpec) -> str:
        """The properties that `same_meaning` compares, for an error."""
        return f"{spec.objective} per {spec.resolution}"

    def matching_rows(self, spec: OutputSpec, other: OutputSpec) -> list[int | None]:
        """For each label of `spec`, the row of `other`'s head with the same meaning, or None."""
        row_of = {label: row for row, label in enumerate(other.labels)}
        return [row_of.get(label) for label in spec.labels]


def is_number(value: Any) -> bool:
    """Whether the value of an option is a real number; True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


@lru_cache(maxsize=256)
def _load(name: str) -> Objective:
    objective: Objective = load_identifier(FOLDER, "OBJECTIVE", name, "objective")
    return objective


def objective_of(spec: OutputSpec) -> Objective:
    """The objective that `spec` names.

    Raises:
        UnknownNameError: no objective has this name.
    """
    return _load(spec.objective)


def unmixable(outputs: Iterable[OutputSpec]) -> dict[str, str]:
    """Objective and resolution of the outputs whose targets cannot be averaged over utterances, by output name."""
    return {
        spec.name: f"{spec.objective} per {spec.resolution}"
        for spec in outputs
        if not objective_of(spec).is_mixable(spec)
    }


def is_time_aligned(spec: OutputSpec) -> bool:
    """Whether the output's targets cover the whole length of an utterance."""
    return objective_of(spec).is_time_aligned(spec)


def cropping_fault(spec: OutputSpec, duration_s: float, kept_s: float) -> str | None:
    """Why the target of an output does not fit an utterance without its end; None if it does."""
    if not is_time_aligned(spec):
        return None
    return f"lasts {duration_s:.1f} s, but preprocessing.max_duration_s keeps only {kept_s} s of it"


def check_output(spec: OutputSpec) -> None:
    """Checks that the objective of `spec` exists and allows its resolution and options.

    Raises:
        UnknownNameError: no objective has this name.
        TaskError: a resolution or an option that the objective does not have.
    """
    objective_of(spec).check(spec)


def same_kind(first: OutputSpec, second: OutputSpec) -> bool:
    """Whether two outputs have the same objective and resolution, so that their heads' rows can be matched
    (`Objective.matching_rows`)."""
    return (first.objective, first.resolution) == (second.objective, second.resolution)


def same_meaning(first: OutputSpec, second: OutputSpec) -> bool:
    """Whether two outputs have the same objective, and it gives columns with the same label the same meaning."""
    return first.objective == second.objective and objective_of(first).same_meaning(first, second)


def refuse_idle_decoder(decoder: Decoder, tasks: Iterable[Task]) -> None:
    """Refuses a decoder other than the default if no task has an output for it.

    Raises:
        TaskError: none of the tasks has a CTC output.
    """
    tasks = list(tasks)
    if decoder.name == GREEDY or any(
        objective_of(spec).needs_decoder for task in tasks for spec in task.outputs
    ):
        return
    names = ", ".join(task.name for task in tasks)
    raise TaskError(
        f"the decoder '{decoder.name}' reads CTC outputs, but the model has no such output (tasks: {names}); leave it "
        "out"
    )
