"""The seam: a task declares what a model takes and gives, and reads its outputs. It never sees a tensor.

Heads and losses follow from each output's `objective` (`tasks/objectives/`), so nothing here imports torch, and the
same decoding and the same metrics serve PyTorch, ONNX and the server. Next: `tasks/phoneme.py`, then `models/model.py`.

Shapes: (frames, labels) for an output of resolution "frame", (labels,) for "utterance"; always one utterance.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError, TaskSettingsError
from soritune.registry import load_member
from soritune.settings import faults_of
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.json_fields import INPUT_FIELDS, OUTPUT_FIELDS, checked_fields

Resolution = Literal["frame", "utterance"]
Counts = dict[str, NDArray[np.float64]]
"""Sums over utterances from which every rate of a task is computed; they add, so groups and bootstraps are sums."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input beside the waveform."""

    name: str
    """Under this name the model takes it; an identifier."""
    column: str
    """Manifest column it is read from in training: a field of `Utterance`, or a key of its `extra`."""
    request_field: str
    """Field of a request it is read from in inference."""
    encoding: str
    """Kind of input: the name of a file of `tasks/inputs` and `models/inputs`, as "number"."""
    optional: bool = False
    """A row without it is used all the same."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the kind."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, tuples in `options` as lists."""
        plain: dict[str, Any] = json.loads(json.dumps({**asdict(self), "options": dict(self.options)}))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> InputSpec:
        """Reads what `to_json` wrote.

        Raises:
            KeyError: a key without a default is missing.
            ValueError: an unknown key, or a value of another type.
        """
        return cls(**checked_fields(cls, data, INPUT_FIELDS))


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output of the model. Its `name` is the head's key, the ONNX node and the JSON field everywhere."""

    name: str
    labels: tuple[str, ...]
    """Label of each column of the logits. For ctc, `options["blank"]` is the blank's index."""
    resolution: Resolution
    objective: str
    """Name of a member of `tasks/objectives/`: ctc, cross_entropy, multi_label, regression, kl_divergence, or one
    that another package brings."""
    weight: float = 1.0
    layer: int | Literal["last", "weighted"] = "last"
    """What the head reads: the encoder's last state, the state after transformer layer n (0 = before the first),
    or a learnt weighted sum of all of them."""
    reads: str | None = None
    """Name of another output whose log-probabilities are joined to the encoder state this head reads."""
    inputs: tuple[str, ...] = ()
    """Names of inputs beside the waveform that are joined to the encoder state this head reads."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the objective: ctc `blank`; cross_entropy `class_weights` (one per label or None); kl_divergence
    `temperature`."""

    @property
    def per_frame(self) -> bool:
        """True where logits are (frames, labels) per utterance, False where they are (labels,)."""
        return self.resolution == "frame"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives the same object back."""
        return {
            **asdict(self),
            "labels": list(self.labels),
            "inputs": list(self.inputs),
            "options": dict(self.options),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OutputSpec:
        """Reads what `to_json` wrote.

        Raises:
            KeyError: a key without a default is missing.
            ValueError: an unknown key, or a value of another type.
        """
        given = checked_fields(cls, data, OUTPUT_FIELDS)
        return cls(**{**given, "labels": tuple(given["labels"]), "inputs": tuple(given.get("inputs", ()))})


class Metric(NamedTuple):
    """A named number and which way is better."""

    name: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class RateDescription:
    """What reports say of a rate, and how they write it."""

    title: str
    """What it is, as part of a sentence: "phone error rate, without word boundaries"."""
    higher_is_better: bool
    is_share: bool = True
    """A share from 0 to 1, written in percent; else any number, written with four decimals."""
    known_as: str = ""
    """A common name that summaries on one line put before the rate's own: "accuracy" for wa."""
    needs_probabilities: bool = False
    """It is computed from probabilities, which an answer that needs no listening does not have; so baselines have no
    such rate."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a task read from the outputs for one utterance; plain JSON values only."""

    task: str
    fields: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """`{"task": …, **fields}`."""
        return {"task": self.task, **self.fields}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Prediction:
        """Reads what `to_json` wrote."""
        return cls(data["task"], {k: v for k, v in data.items() if k != "task"})


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction beside what it is judged against."""

    id: str
    reference: Mapping[str, Any]
    """`Task.reference(utterance)`."""
    prediction: Prediction
    groups: Mapping[str, Any] = field(default_factory=dict)
    """speaker, gender, age …: what scores may be grouped by."""
    duration_s: float = 0.0
    audio: str | None = None


class Column(NamedTuple):
    """A column of the table that `soritune predict` prints."""

    title: str
    field: str
    """Of the prediction; its value may be absent or None."""
    kind: Literal["text", "number", "share"] = "text"
    """Text (a list is joined by spaces), a number as it is, or a share from 0 to 1 in percent."""


class Guess(NamedTuple):
    """An answer that needs no listening, from what a prediction will be judged against; a baseline."""

    name: str
    description: str
    """What is answered, as part of a sentence."""
    answer: Callable[[Mapping[str, Any]], Prediction]
    """`Task.reference(utterance)` to the answer."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report section: `columns` head the cells of each of `rows`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A square count matrix of a report section (rows: reference, columns: prediction); drawn as a heat map."""

    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Reference and hypothesis symbols of one utterance, side by side (None marks a gap), for the report."""

    id: str
    reference: tuple[str | None, ...]
    hypothesis: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One task's part of the report."""

    title: str
    tables: tuple[Table, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    alignments: tuple[Alignment, ...] = ()
    """Worst cases first."""


class TaskConfig(BaseModel):
    """Settings every task has; a task subclasses this with its own. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(ABC):
    """One thing to learn from speech: declares outputs, makes targets, decodes, counts, reports.

    A file in `tasks/` that binds a subclass to `TASK` adds a task. The constructor takes the subclass's `Config`
    and nothing else, so that `type(task)(task.config)` is the same task: this is how a bundle keeps it.
    """

    name: ClassVar[str]
    Config: ClassVar[type[TaskConfig]]
    required_fields: ClassVar[tuple[str, ...]]
    """Utterance fields, or keys of `extra`, without which a row cannot be a training row of this task."""
    single_label: ClassVar[bool] = False
    """Whether every prediction is one of the labels of the first output: its fields `label` and `confidence` (the
    label's probability, None where the model gives none), judged against `label` of the reference. Calibration, the
    worst errors and the distribution of labels follow from it."""
    label_field: ClassVar[str | None] = None
    """Manifest column (an utterance field, or a key of `extra`) with the label of an utterance, where a task has one
    such as emotion; summaries of splits count its values. None for tasks of phones or text."""
    hub_tag: ClassVar[str | None] = None
    """`pipeline_tag` of a model card on the Hugging Face hub, such as "audio-classification"; None where none fits."""
    limits: ClassVar[tuple[str, ...]] = ()
    """Sentences on what a model of this task must not be used for; they stand in every model card."""
    config: TaskConfig

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """Inputs beside the waveform; none unless a task says so."""
        return ()

    @property
    @abstractmethod
    def outputs(self) -> tuple[OutputSpec, ...]:
        """The model's outputs for this task, first the primary one."""

    @property
    @abstractmethod
    def primary_metric(self) -> Metric:
        """The number that chooses between models."""

    @abstractmethod
    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Per output the array its objective takes, or None where the row has no such label.

        ctc: label ids (symbols,) int64. Others, per utterance, float32 (labels,): target mass (cross_entropy),
        probabilities (multi_label, kl_divergence), numbers (regression); per frame (n, labels), which covers the
        utterance evenly whatever the number of frames. Label ids stand for mass: () per utterance, (n,) per frame.

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
        """Reads one utterance's outputs. Zero frames decode to something sensible.

        Args:
            outputs: name -> log-probabilities, (frames, labels) or (labels,).
            prompt: the text the speaker was asked to say, or None.
            decoder: reads the CTC outputs; None is the greedy one. Tasks without such outputs have no use for it.
        """

    def columns(self, prediction: Prediction) -> tuple[Column, ...]:
        """What the table of `soritune predict` shows of predictions like this one; by default every field, as text."""
        return tuple(Column(field, field) for field in prediction.fields)

    @abstractmethod
    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """What a prediction for this row is judged against (plain JSON), or None where the row has no label."""

    def absence(self, utterance: Utterance) -> str | None:
        """Why a row has no label of this task although its fields are filled; None where it has one, or where fields
        are missing."""
        return None

    @abstractmethod
    def count(self, pair: Pair) -> Counts:
        """One utterance's share of every count; equal keys and shapes for all pairs."""

    @abstractmethod
    def rates(self, counts: Counts) -> dict[str, float]:
        """Named numbers from summed counts; `nan` where a denominator is zero."""

    @property
    @abstractmethod
    def rate_descriptions(self) -> Mapping[str, RateDescription]:
        """Name to description of every rate that `rates` gives; more are allowed."""

    @abstractmethod
    def report(self, pairs: Sequence[Pair]) -> Section:
        """Tables, matrices and worst cases for the report."""

    def prepare(self, utterances: Iterable[Utterance]) -> Task:
        """This task with what it must learn from the training split (class weights); by default itself.

        Called once before the model is built; the result's `config` holds what was learnt.
        """
        return self

    def widest(self) -> Task:
        """This task with every output its settings can switch off; by default itself.

        A recipe may name the rates of these outputs as values to keep the best of, whichever it trains.
        """
        return self

    def guesses(self) -> tuple[Guess, ...]:
        """Baselines of this task's own, beside those that follow from its outputs (`reports/baselines.py`)."""
        return ()

    def higher_is_better(self, rate: str) -> bool:
        """Which way a rate is better.

        Raises:
            TaskError: the task does not describe this rate.
        """
        description = self.rate_descriptions.get(rate)
        if description is None:
            known = ", ".join(self.rate_descriptions)
            raise TaskError(f"the task '{self.name}' does not describe the rate '{rate}', but: {known}")
        return description.higher_is_better

    def matters(self, counts: Counts) -> dict[str, bool]:
        """Per rate, whether a speaker with these counts has a say in it; by default where it has a value.

        Intervals from fewer than ten speakers that matter are marked as unreliable.
        """
        return {name: math.isfinite(value) for name, value in self.rates(counts).items()}

    def score(self, pairs: Iterable[Pair]) -> dict[str, float]:
        """Named numbers over `pairs`: `rates` of the summed `count`s. Empty input gives `nan` rates of nothing."""
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
        TaskError: what a package offers under this name is not a task, or is a task of another name.
    """
    kind: object = load_member("soritune.tasks", "TASK", name, "task")
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise TaskError(f"'{name}' of soritune.tasks is {kind!r}; it must be a subclass of Task")
    if kind.name != name:
        raise TaskError(
            f"the task '{name}' calls itself '{kind.name}', so that a bundle could not find it again; its `name` must "
            "be that of its file or entry point"
        )
    return kind


def make_task(name: str, config: Mapping[str, Any], place: str = "") -> Task:
    """The task `name` with the settings that a recipe, a card or a predictions file holds.

    Args:
        name: of the task.
        config: its settings.
        place: what the paths of faults begin with, as `tasks.phoneme`.

    Raises:
        UnknownNameError: no such task.
        TaskSettingsError: the settings have faults; all of them are named.
    """
    kind = task_kind(name)
    if not isinstance(config, Mapping):
        fault = f"must be a mapping of settings (got {config!r})"
        raise TaskSettingsError(name, [f"{place}: {fault}" if place else fault])
    try:
        settings = kind.Config.model_validate(dict(config))
    except ValidationError as error:
        raise TaskSettingsError(name, faults_of(error, kind.Config, place)) from error
    task: Task = kind(settings)
    return task


def add_counts(parts: Iterable[Counts]) -> Counts:
    """Key-wise sum; an empty iterable gives an empty dict."""
    total: Counts = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total[key] + value if key in total else np.array(value, dtype=np.float64)
    return total
