"""The contract of a kind of input, its torch-free half: from a value in a row or a request to arrays of a batch.

An `InputSpec` names its kind by `encoding`. A member of this folder binds `INPUT` to an `InputKind`; the other half
(`models/inputs/input.py`) computes what heads read from the arrays. Other packages join through the entry-point groups
`soritune.tasks.inputs` and `soritune.models.inputs`.

Shapes: batch, frames (encoder frames), width (numbers per input).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import TaskError
from soritune.registry import load_identifier
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.tasks.task import Task

PACKAGE = "soritune.tasks.inputs"
PROMPT = "text"
"""Field of a request with the text the speaker was asked to read."""
PRESENT = "_present"
"""End of the name of the array that marks the rows with a value."""
ARGUMENTS_OF_MODELS = ("waveform", "num_samples", "time_mask", "feature_mask", "masked_rectangles", "states")
"""Other arguments of a model, which no input may be called."""


class InputKind(ABC):
    """How values of one kind become arrays."""

    origin_fields: ClassVar[tuple[str, ...]] = ()
    """Fields of a row or request that `origin` reads; scores are always given apart for the values it returns."""

    def check(self, spec: InputSpec) -> None:
        """Refuses settings of `spec.options` that this kind does not have.

        Raises:
            TaskError: there is such a setting.
        """
        if spec.options:
            raise TaskError(
                f"input '{spec.name}': {spec.encoding} takes no options, got {sorted(spec.options)}"
            )

    def check_usable(self, spec: InputSpec) -> None:
        """Looks for the files that the kind needs, before a training is prepared; by default none.

        Raises:
            SorituneError: one is missing.
        """
        return

    def is_absent(self, value: Any) -> bool:
        """Whether a value stands for none; by default None does."""
        return value is None

    def origin(self, value: Any, facts: Mapping[str, Any]) -> dict[str, str]:
        """Facts about a value by which predictions are grouped and scored apart, such as its source; by default none.

        Args:
            value: of the row or request; None if it is absent.
            facts: fields of the row or of the request.
        """
        return {}

    @abstractmethod
    def encode(self, spec: InputSpec, value: Any) -> NDArray[Any]:
        """One row's value as an array.

        Raises:
            TaskError: not a value of this kind; the message names the input and the value.
        """

    def cut(self, spec: InputSpec, row: NDArray[Any], first: int, count: int, total: int) -> NDArray[Any]:
        """The value for a part of an utterance; by default that of the whole.

        Args:
            spec: the input.
            row: what `encode` returned for the utterance.
            first: first step of the part.
            count: steps of the part.
            total: steps of the utterance, such as encoder frames.
        """
        return row

    def example(self, spec: InputSpec) -> Any:
        """A value with which an exported model is tried; None, by default, tries it without a value."""
        return None

    def free_axes(self, spec: InputSpec) -> dict[str, tuple[int, ...]]:
        """The axes beside the first one that have any size, by the names of `pad`; by default none."""
        return {}

    @abstractmethod
    def pad(
        self, spec: InputSpec, rows: Sequence[NDArray[Any] | None], num_frames: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """Arrays of a batch by the model's argument names.

        Args:
            spec: the input.
            rows: what `encode` returned per row; None for a row without a value.
            num_frames: (batch,) encoder frames of each row.

        Returns:
            `spec.name`, and further arrays whose names begin with `spec.name` and an underscore; `<name>_present`
            (batch,) bool is required.
        """


def kind_of(spec: InputSpec) -> InputKind:
    """The kind of an input.

    Raises:
        UnknownNameError: no such kind.
        TaskError: options that the kind does not have.
    """
    kind = _load(spec.encoding)
    kind.check(spec)
    return kind


@lru_cache(maxsize=256)
def _load(name: str) -> InputKind:
    kind: InputKind = load_identifier(PACKAGE, "INPUT", name, "kind of input")
    return kind


def inputs_of(tasks: Iterable[Task]) -> tuple[InputSpec, ...]:
    """The inputs of several tasks, each once.

    Raises:
        TaskError: two tasks declare an input with the same name differently, or a name that no input may have.
    """
    specs: dict[str, InputSpec] = {}
    for task in tasks:
        for spec in task.inputs:
            if specs.setdefault(spec.name, spec) != spec:
                raise TaskError(f"two tasks declare the input '{spec.name}' differently; rename one of them")
            if not spec.name.isidentifier() or spec.name in ARGUMENTS_OF_MODELS:
                raise TaskError(f"'{spec.name}' cannot be the name of an input; use another identifier")
            if spec.dropout and not spec.optional:
                raise TaskError(
                    f"the input '{spec.name}' is left out of a share of {spec.dropout:g} of the training rows, so it "
                    "must be optional"
                )
    return tuple(specs.values())


def value_in_row(spec: InputSpec, utterance: Utterance) -> Any:
    """The value of an input in a manifest row, from a field or from `extra`; None if the row has no value."""
    if spec.column in FIELDS:
        return getattr(utterance, spec.column)
    return utterance.extra.get(spec.column)


def values_in_row(specs: Sequence[InputSpec], utterance: Utterance) -> dict[str, Any]:
    """The values of inputs in a manifest row by the input's name; absent ones are left out."""
    values = {spec.name: value_in_row(spec, utterance) for spec in specs}
    return {name: value for name, value in values.items() if not _is_absent(specs, name, value)}


def values_in_request(specs: Sequence[InputSpec], request: Mapping[str, Any]) -> dict[str, Any]:
    """The values of inputs in a request by the input's name; absent ones are left out.

    Raises:
        TaskError: a field that no input reads. `text`, the prompt, may always be given.
    """
    known = {spec.request_field: spec.name for spec in specs}
    facts = {field for spec in specs for field in kind_of(spec).origin_fields}
    unknown = sorted(map(str, set(request) - {*known, *facts, PROMPT}))
    if unknown:
        raise TaskError(
            f"the model reads no field {', '.join(unknown)}; it reads {', '.join(sorted(known)) or 'audio alone'}"
        )
    prompt = request.get(PROMPT)
    if PROMPT not in known and prompt is not None and not isinstance(prompt, str):
        raise TaskError(
            f"the field '{PROMPT}' must be the text the speaker was asked to read, got {prompt!r:.60}"
        )
    values = {known[key]: value for key, value in request.items() if key in known}
    return {name: value for name, value in values.items() if not _is_absent(specs, name, value)}


def _is_absent(specs: Sequence[InputSpec], name: str, value: Any) -> bool:
    return value is None or any(kind_of(spec).is_absent(value) for spec in specs if spec.name == name)


def origins(
    specs: Iterable[InputSpec], values: Mapping[str, Any], facts: Mapping[str, Any]
) -> dict[str, str]:
    """Facts about the values of a row or request by which its prediction is grouped.

    Args:
        specs: the model's inputs.
        values: by the input's name; absent ones are left out.
        facts: fields of the row or request.
    """
    groups: dict[str, str] = {}
    for spec in specs:
        groups |= kind_of(spec).origin(values.get(spec.name), facts)
    return groups


def origin_fields(tasks: Iterable[Task]) -> tuple[str, ...]:
    """The fields by whose values predictions of these tasks are always scored apart."""
    fields = (field for spec in inputs_of(tasks) for field in kind_of(spec).origin_fields)
    return tuple(dict.fromkeys(fields))


def blind_outputs(outputs: Iterable[OutputSpec], given: Collection[str]) -> set[str]:
    """Names of the outputs that read inputs alone, none of which is among the names `given`."""
    return {spec.name for spec in outputs if spec.layer == "none" and not set(spec.inputs) & set(given)}


def missing_inputs(task: Task, values: Mapping[str, Any]) -> list[str]:
    """Names of the required inputs of a task that `values` lacks."""
    return [spec.name for spec in task.inputs if not spec.optional and values.get(spec.name) is None]


def refuse_withholding(specs: Sequence[InputSpec], names: Iterable[str]) -> None:
    """Checks the names of inputs that a model is to go without.

    Raises:
        TaskError: the model reads no such input, or cannot do without it.
    """
    by_name = {spec.name: spec for spec in specs}
    for name in names:
        if name not in by_name:
            known = ", ".join(sorted(by_name))
            reads = f"its inputs beside the audio are {known}" if known else "it reads the audio alone"
            raise TaskError(f"'{name}' cannot be withheld from a model that does not read it; {reads}")
        if not by_name[name].optional:
            raise TaskError(f"'{name}' cannot be withheld, because the model needs it for every clip")


def encode_inputs(specs: Iterable[InputSpec], values: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """One row's values as arrays, by the input's name; absent ones are left out.

    Raises:
        TaskError: a value of another kind.
    """
    return {
        spec.name: kind_of(spec).encode(spec, values[spec.name])
        for spec in specs
        if values.get(spec.name) is not None
    }


def cut_inputs(
    specs: Iterable[InputSpec], row: Mapping[str, NDArray[Any]], first: int, count: int, total: int
) -> dict[str, NDArray[Any]]:
    """One row's arrays for a part of its utterance; arguments as for `InputKind.cut`."""
    return {
        spec.name: kind_of(spec).cut(spec, row[spec.name], first, count, total)
        for spec in specs
        if spec.name in row
    }


def pad_inputs(
    specs: Iterable[InputSpec], rows: Sequence[Mapping[str, NDArray[Any]]], num_frames: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Arrays of a batch by the model's argument names.

    Args:
        specs: the model's inputs.
        rows: what `encode_inputs` returned for each row.
        num_frames: (batch,) encoder frames of each row.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for spec in specs:
        arrays |= kind_of(spec).pad(spec, [row.get(spec.name) for row in rows], num_frames)
    return arrays


def example_inputs(specs: Iterable[InputSpec]) -> dict[str, NDArray[Any]]:
    """One row's arrays of the `InputKind.example` of each input."""
    specs = tuple(specs)
    return encode_inputs(specs, {spec.name: kind_of(spec).example(spec) for spec in specs})


def free_axes(specs: Iterable[InputSpec]) -> dict[str, tuple[int, ...]]:
    """The axes of the arrays of `pad_inputs` that have any size, beside that of the batch."""
    axes: dict[str, tuple[int, ...]] = {}
    for spec in specs:
        axes |= kind_of(spec).free_axes(spec)
    return axes


def finite_numbers(spec: InputSpec, value: Any, shape: str) -> NDArray[np.float32]:
    """A value as float32 numbers.

    Args:
        spec: the input.
        value: numbers of any shape.
        shape: what is expected, for an error.

    Raises:
        TaskError: not numbers, or not finite.
    """

    try:
        with np.errstate(over="ignore"):
            numbers = np.asarray(value, dtype=np.float64).astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        numbers = np.array([np.nan], dtype=np.float32)
    if isinstance(value, str | bytes | bool) or not np.isfinite(numbers).all():
        raise TaskError(
            f"input '{spec.name}' must be {shape}, finite and within float32, got {value!r:.60}",
            f"input-value:{spec.name}",
        )
    return numbers
