"""Declarations of a model's inputs and outputs, and the JSON they are stored as. Next: `tasks/task.py`.

Heads and losses follow from an output's `objective` (`tasks/objectives/`), what heads read beside the encoder from an
input's `encoding` (`tasks/inputs/`). Values read from JSON are checked before an object is made of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Resolution = Literal["frame", "utterance"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input beside the waveform."""

    name: str
    """The name under which the model takes it; an identifier."""
    column: str
    """Manifest column it is read from in training: a field of `Utterance`, or a key of its `extra`."""
    request_field: str
    """Field of a request it is read from in inference."""
    encoding: str
    """Kind of input: the name of a file of `tasks/inputs` and `models/inputs`, such as "number"."""
    optional: bool = False
    """Whether rows without a value are used too."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the kind."""
    dropout: float = 0.0
    """Share of the training rows whose value is left out, drawn per row; the input must then be optional."""
    folder: Path | None = field(default=None, compare=False)
    """The folder of the bundle that the input was read from; None in a training. It is not part of the JSON."""

    @property
    def stored_at(self) -> Path | None:
        """Folder in the bundle with the files of the input, such as a tokenizer; None in a training."""
        return None if self.folder is None else self.folder / files_of_input(self.name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, tuples in `options` as lists."""
        values = {**asdict(self), "options": dict(self.options)}
        del values["folder"]
        plain: dict[str, Any] = json.loads(json.dumps(values))
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
    of another package."""
    weight: float = 1.0
    """Factor of this output's loss in the total."""
    layer: int | tuple[int, ...] | Literal["last", "weighted", "none"] = "last"
    """What the head reads: the encoder's last state, the state after transformer layer n (0 = before the first),
    the states after several layers side by side, a learnt weighted sum of all of them, or none of them: then it reads
    its `inputs` alone."""
    reads: str | None = None
    """Name of another output whose log-probabilities are joined to the encoder state this head reads."""
    inputs: tuple[str, ...] = ()
    """Names of inputs beside the waveform that are joined to the encoder state this head reads."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the objective: `blank` of ctc, `class_weights` of cross_entropy (one per label or None), `temperature`
    of kl_divergence."""
    head: Mapping[str, Any] = field(default_factory=dict)
    """What is between the state and the linear layer of an output per frame, as `tasks/frame_heads.py` describes it; {}
    is nothing."""

    @property
    def per_frame(self) -> bool:
        """True where logits are (frames, labels) per utterance, False where they are (labels,)."""
        return self.resolution == "frame"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` makes an equal object of it."""
        values = {
            **asdict(self),
            "labels": list(self.labels),
            "layer": list(self.layer) if isinstance(self.layer, tuple) else self.layer,
            "inputs": list(self.inputs),
            "options": dict(self.options),
        }
        if not values["head"]:
            # Bundles of models without one are the same as before there were such heads.
            del values["head"]
        return values

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OutputSpec:
        """Reads what `to_json` wrote.

        Raises:
            KeyError: a key without a default is missing.
            ValueError: an unknown key, or a value of another type.
        """
        values = checked_fields(cls, data, OUTPUT_FIELDS)
        names = {"labels": tuple(values["labels"]), "inputs": tuple(values.get("inputs", ()))}
        layer = values.get("layer", "last")
        return cls(**{**values, **names, "layer": tuple(layer) if isinstance(layer, list) else layer})


def layer_numbers(spec: OutputSpec) -> tuple[int, ...]:
    """Transformer layers that the head of an output reads by number; () for "last", "weighted" and "none"."""
    if isinstance(spec.layer, tuple):
        return spec.layer
    return () if spec.layer in ("last", "weighted", "none") else (int(spec.layer),)


def num_states(spec: OutputSpec) -> int:
    """States of the encoder that the head of an output reads side by side."""
    if isinstance(spec.layer, tuple):
        return len(spec.layer)
    return 0 if spec.layer == "none" else 1


def files_of_input(name: str) -> str:
    """The folder of an input's files in a bundle, relative to the bundle."""
    return f"inputs/{name}"


# ── JSON ──


class FieldType(NamedTuple):
    """The values that a field may have in JSON."""

    expected: str
    """A description of them as part of a sentence: "a list of names"."""
    accepts: Callable[[Any], bool]


def checked_fields(
    spec: type[DataclassInstance], data: Any, types: Mapping[str, FieldType]
) -> dict[str, Any]:
    """The fields of `spec` in `data`.

    Args:
        spec: the class to make of them.
        data: parsed JSON.
        types: the values that each field may have.

    Raises:
        KeyError: a field without a default is missing.
        ValueError: not a mapping, an unknown key, or a value of another type.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"must be a mapping, got {data!r}")
    for entry in fields(spec):
        if entry.name not in data and entry.default is MISSING and entry.default_factory is MISSING:
            raise KeyError(entry.name)
    for key, value in data.items():
        if key not in types:
            raise ValueError(f"unknown key '{key}'; known: {', '.join(types)}")
        if not types[key].accepts(value):
            raise ValueError(f"{key} of '{data['name']}' must be {types[key].expected}, got {value!r}")
    return dict(data)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def _is_labels(value: Any) -> bool:
    return _is_names(value) and 0 < len(value) == len(set(value))


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf


def _is_layer(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("last", "weighted", "none") or value.isdecimal()
    if isinstance(value, list | tuple):
        return len(value) > 1 and all(_is_whole(number) for number in value)
    return _is_whole(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TEXT = FieldType("a text", lambda value: isinstance(value, str))
_SETTINGS = FieldType("a mapping of settings", lambda value: isinstance(value, Mapping))
INPUT_FIELDS = {
    **dict.fromkeys(("name", "column", "request_field", "encoding"), _TEXT),
    "optional": FieldType("true or false", lambda value: isinstance(value, bool)),
    "options": _SETTINGS,
    "dropout": FieldType("a share from 0 to below 1", lambda value: _is_finite(value) and 0 <= value < 1),
}
"""Fields of an `InputSpec`."""
OUTPUT_FIELDS = {
    "name": _TEXT,
    "labels": FieldType("a list of distinct names", _is_labels),
    "resolution": FieldType("frame or utterance", lambda value: value in ("frame", "utterance")),
    "objective": _TEXT,
    "weight": FieldType("a finite number", _is_finite),
    "layer": FieldType("last, weighted, none, the number of a layer, or several numbers", _is_layer),
    "reads": FieldType(
        "the name of an output, or null", lambda value: value is None or isinstance(value, str)
    ),
    "inputs": FieldType("a list of names", _is_names),
    "options": _SETTINGS,
    "head": _SETTINGS,
}
"""Fields of an `OutputSpec`."""


def is_kept(outputs: Sequence[OutputSpec], inputs: Sequence[InputSpec], new_parts: Sequence[str]) -> bool:
    """Whether stored weights filled the heads and inputs of a task, so that it could predict before its training.

    Args:
        outputs, inputs: of the task.
        new_parts: heads and inputs with new weights, as `head <output>` and `input <input>`.
    """
    parts = [f"head {spec.name}" for spec in outputs] + [f"input {spec.name}" for spec in inputs]
    return not set(parts) & set(new_parts)
