"""The contract of a task: it declares what a model takes and gives, and reads the outputs. It never sees a tensor.

Nothing here imports torch, so the same decoding and the same metrics serve PyTorch, ONNX and the server. Declarations
are in `tasks/specs.py`, predictions, counts and tables in `tasks/results.py`. Next: `tasks/phoneme.py`, then
`models/model.py`.

Shapes: (frames, labels) for an output of resolution "frame", (labels,) for "utterance"; always one utterance.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError, TaskSettingsError
from soritune.registry import load_member
from soritune.settings import faults_of
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.notation import WrittenPhone
from soritune.tasks.results import (
    Column,
    Counts,
    Guess,
    Metric,
    Pair,
    Prediction,
    RateDescription,
    Section,
    add_counts,
)
from soritune.tasks.specs import InputSpec, OutputSpec


class TaskConfig(BaseModel):
    """Settings every task has; a task subclasses this with its own. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def idle_settings(self) -> dict[str, str]:
        """Settings that other ones make useless → why, as the end of "… has no effect"; by default none.

        Those among them that a user gave are reported when a recipe is read.
        """
        return {}


class Task(ABC):
    """One thing to learn from speech: declares outputs, makes targets, decodes, counts, reports.

    A file in `tasks/` that binds a subclass to `TASK` adds a task. The constructor takes the subclass's `Config`
    and nothing else, so that `type(task)(task.config)` is the same task: bundles store a task this way.
    """

    name: ClassVar[str]
    Config: ClassVar[type[TaskConfig]]
    required_fields: ClassVar[tuple[str, ...]]
    """Utterance fields, or keys of `extra`, without which a row cannot be a training row of this task."""
    single_label: ClassVar[bool] = False
    """Whether every prediction is one of the labels of the first output: its fields `label` and `confidence` (the
    label's probability, None without probabilities), judged against `label` of the reference, which is None in rows
    that have something else to be judged by. Calibration, the worst errors and the distribution of labels follow from
    it."""
    label_field: ClassVar[str | None] = None
    """Manifest column (an utterance field, or a key of `extra`) with the label of an utterance, for tasks with such
    a label, as emotion; summaries of splits count its values. None for tasks of phones or text."""
    hub_tag: ClassVar[str | None] = None
    """`pipeline_tag` of a model card on the Hugging Face hub, such as "audio-classification"; None where none fits."""
    limits: ClassVar[tuple[str, ...]] = ()
    """Sentences on what a model of this task must not be used for; every model card contains them."""
    config: TaskConfig

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """Inputs beside the waveform; empty by default."""
        return ()

    @property
    @abstractmethod
    def outputs(self) -> tuple[OutputSpec, ...]:
        """The model's outputs for this task, the primary one first."""

    @property
    def reads_prompt(self) -> bool:
        """Whether `decode` uses the prompt; `soritune predict` refuses `--input text=…` if no task of the model
        does."""
        return False

    def prompt_of(self, utterance: Utterance) -> str | None:
        """The prompt of a row, for `decode`: by default its text."""
        return utterance.text

    @property
    def swaps_prompts(self) -> bool:
        """Whether `swapped` may change training rows."""
        return False

    def swapped(
        self, utterance: Utterance, other: Utterance, generator: np.random.Generator
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any] | None]]:
        """A training row as if the speaker had been asked to say something of `other`.

        Returns:
            Values of inputs by name, and targets by output, that replace those of the row; by default none.
        """
        return {}, {}

    @property
    def has_error_thresholds(self) -> bool:
        """Whether `with_thresholds` chooses anything."""
        return False

    def with_thresholds(self, pairs: Sequence[Pair]) -> Task:
        """This task with thresholds that are chosen on validation speakers; by default itself.

        Raises:
            TaskError: nothing can be chosen on these pairs.
        """
        return self

    @property
    def phone_output(self) -> str | None:
        """The output whose symbols are the `phones` of a prediction, so that they can be aligned with it; None without
        phones."""
        return None

    @property
    def written_phones(self) -> tuple[WrittenPhone, ...]:
        """The phones of this task in the notations that people read; by default none, so that codes are shown."""
        return ()

    @property
    @abstractmethod
    def primary_metric(self) -> Metric:
        """The headline of the task: the rate by which models are chosen, and the first one in reports, on the terminal
        and on model cards."""

    @property
    def needed_fields(self) -> tuple[str, ...]:
        """`required_fields` under these settings; by default all of them."""
        return self.required_fields

    @abstractmethod
    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Per output the array its objective takes, or None where the row has no such label.

        ctc: label ids (symbols,) int64. Others, per utterance, float32 (labels,): target mass (cross_entropy),
        probabilities (multi_label, kl_divergence), numbers (regression); per frame (n, labels), which covers the
        utterance evenly for any number of frames. Label ids may stand for mass: () per utterance, (n,) per frame.

        Raises:
            TaskError: the row has a label that is not in the label set (the message names it).
        """

    @abstractmethod
    def decode(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        prompt: str | None = None,
        decoder: Decoder | None = None,
    ) -> Prediction:
        """Reads one utterance's outputs. Outputs without frames give a valid prediction too.

        Args:
            outputs: name -> log-probabilities, (frames, labels) or (labels,).
            prompt: what the speaker was asked to read, as `prompt_of` gives it, or None.
            decoder: reads the CTC outputs; None is the greedy one. Tasks without such outputs ignore it.
        """

    def columns(self, prediction: Prediction) -> tuple[Column, ...]:
        """The columns in which `soritune predict` prints such predictions; by default every field, as text."""
        return tuple(Column(field, field) for field in prediction.fields)

    @abstractmethod
    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """What a prediction for this row is judged against (plain JSON), or None where the row has no label."""

    def missing_label_reason(self, utterance: Utterance) -> str | None:
        """Why a row has no label of this task although its fields are filled.

        None where it has a label, or where fields are missing.
        """
        return None

    def pronounced_text(self, utterance: Utterance) -> str | None:
        """The Korean text from which this task derives the phones of a row; None if it derives none."""
        return None

    @abstractmethod
    def count(self, pair: Pair) -> Counts:
        """The counts of one utterance; equal keys and shapes for all pairs."""

    def errors_of(self, pair: Pair) -> tuple[int, int] | None:
        """Errors of one utterance and the length of its reference, whose sums over utterances give the error rate; by
        default None, for tasks whose prediction is right or wrong as a whole."""
        return None

    @abstractmethod
    def rates(self, counts: Counts) -> dict[str, float]:
        """Rates of summed counts by name; `nan` where a denominator is zero."""

    @property
    @abstractmethod
    def rate_descriptions(self) -> Mapping[str, RateDescription]:
        """Description of every rate in `rates`, by name; it may describe other rates too."""

    @abstractmethod
    def report(self, pairs: Sequence[Pair]) -> Section:
        """Tables, matrices and worst cases for the report."""

    def prepare(self, utterances: Iterable[Utterance]) -> Task:
        """This task with what it must learn from the training split (class weights); by default itself.

        Called once before the model is built; the result's `config` holds what was learnt.
        """
        return self

    def label_notes(self, values: Collection[str]) -> list[str]:
        """Warnings about the values that `label_field` has in the rows of a corpus, as sentences; by default none."""
        return []

    def leaves_out(self, utterance: Utterance) -> bool:
        """Whether the settings leave out the label of a row on purpose; by default False."""
        return False

    def leave_out_notes(self, values: Collection[str]) -> list[str]:
        """Warnings about labels that the settings leave out and that are not among the `values` of `label_field`."""
        return []

    def leave_out_advice(self, values: Collection[str]) -> str:
        """The setting that leaves out those of the `values` that are not labels; "" if all of them are labels."""
        return ""

    @property
    def derives_labels(self) -> bool:
        """Whether the labels of a row are more than the value of `label_field`, as with several raters; then tables and
        notes take `table_labels` and `written_labels` instead of the column. By default False."""
        return False

    def written_labels(self, utterance: Utterance) -> tuple[str, ...]:
        """If `derives_labels`: the labels in a row as the corpus writes them. A faulty row has no labels."""
        return ()

    def table_labels(self, utterance: Utterance) -> tuple[str, ...]:
        """If `derives_labels`: the classes of a row, at most one of a task with `single_label`. A faulty row has no
        labels."""
        return ()

    def score_warnings(self, pairs: Sequence[Pair]) -> list[str]:
        """What a reader of the scores of `pairs` must know before the numbers, as sentences; by default none."""
        return []

    def part_fault(self, rows: Iterable[Utterance]) -> str | None:
        """Why nothing can be learnt from, or judged on, the rows of a split, and the way out; by default None."""
        return None

    def widest(self) -> Task:
        """This task with every output its settings can switch off; by default itself.

        A recipe may select bundles by the rates of any of these outputs, whether it trains them or not.
        """
        return self

    def guesses(self) -> tuple[Guess, ...]:
        """Baselines of this task, beside those that follow from its outputs (`reports/baselines.py`)."""
        return ()

    def higher_is_better(self, rate: str) -> bool:
        """The better direction of a rate.

        Raises:
            TaskError: the task does not describe this rate.
        """
        description = self.rate_descriptions.get(rate)
        if description is None:
            known = ", ".join(self.rate_descriptions)
            raise TaskError(f"the task '{self.name}' does not describe the rate '{rate}', but: {known}")
        return description.higher_is_better

    def contributes(self, counts: Counts) -> dict[str, bool]:
        """Whether a speaker with these counts contributes to each rate; by default where the rate has a value.

        Intervals over fewer than ten contributing speakers are marked as unreliable.
        """
        return {name: math.isfinite(value) for name, value in self.rates(counts).items()}

    def score(self, pairs: Iterable[Pair]) -> dict[str, float]:
        """Rates over `pairs`: `rates` of the summed counts. Without pairs every rate is `nan`."""
        return self.rates(add_counts(self.count(pair) for pair in pairs))


def is_task(value: object) -> bool:
    """Whether an object can be bound to `TASK`: a subclass of `Task`."""
    return isinstance(value, type) and issubclass(value, Task)


def label_fields(tasks: Iterable[Task | type[Task]]) -> tuple[str, ...]:
    """The manifest columns with the labels of these tasks, each once, in the tasks' order."""
    return tuple(dict.fromkeys(task.label_field for task in tasks if task.label_field is not None))


def task_kind(name: str) -> Any:
    """The class of the task `name`, a subclass of `Task`.

    Raises:
        UnknownNameError: no such task.
        TaskError: a package offers something else than a task, or a task of another name, under this name.
    """
    kind: object = load_member("soritune.tasks", "TASK", name, "task")
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise TaskError(f"'{name}' of soritune.tasks is {kind!r}; it must be a subclass of Task")
    if kind.name != name:
        raise TaskError(
            f"the task '{name}' calls itself '{kind.name}', so a bundle could not find it again; set its `name` to "
            "that of its file or entry point"
        )
    return kind


def make_task(name: str, config: Mapping[str, Any], prefix: str = "") -> Task:
    """The task `name` with the settings that a recipe, a card or a predictions file holds.

    Args:
        name: of the task.
        config: its settings.
        prefix: begins the paths of faults, such as `tasks.phoneme`.

    Raises:
        UnknownNameError: no such task.
        TaskSettingsError: the settings have faults; all of them are named.
    """
    kind = task_kind(name)
    if not isinstance(config, Mapping):
        fault = f"must be a mapping of settings (got {config!r})"
        raise TaskSettingsError(name, [f"{prefix}: {fault}" if prefix else fault])
    try:
        settings = kind.Config.model_validate(dict(config))
    except ValidationError as error:
        raise TaskSettingsError(name, faults_of(error, kind.Config, prefix)) from error
    task: Task = kind(settings)
    return task
