"""What the graphs of an ONNX folder take and give: section `onnx` of its card, repeated in the metadata of the files.

An ONNX folder is a bundle with `model.onnx` in place of weights. It takes `input_values` (batch, samples), the raw
waveform at the bundle's sample rate, and normalises it if the bundle's preprocessing does. It gives the
log-probabilities of every output, in which the blank of a CTC output is column 0. `model.lengths.onnx` takes the
lengths of the rows too, for padded batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.specs import InputSpec, OutputSpec

KEY = "onnx"
"""The card's key."""
ONNX = "onnx"
"""The card's `weights_format` of such a folder."""
ONNX_FILE = "model.onnx"
"""For batches of equal lengths."""
LENGTHS_FILE = "model.lengths.onnx"
"""For padded batches."""
CLASSIFIERS_FILE = "classifiers.safetensors"
"""The last linear layers of outputs for whole utterances, `NAME.weight` and `NAME.bias`, which normalisation per
speaker needs."""
METADATA_KEY = "soritune"
"""Key of the same description in the metadata of an ONNX file, as JSON."""
THRESHOLDS = "assessment_thresholds"
"""Key of the section: the name of the thresholds of `soritune assess` that the folder has from its bundle."""
BLANK = "<blk>"
"""Name of the blank in tokens.txt."""


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """The interface of both graphs.

    Raises:
        ValueError: `from_json` of a description with missing or wrong keys.
    """

    outputs: Mapping[str, tuple[str, ...]]
    """Labels of each output in the order of the graph's columns, the primary output first."""
    inputs: tuple[str, ...] = ()
    """Names of the arrays of inputs beside the waveform."""
    normalizes: bool = True
    """Whether the graph normalises the waveform. It then has a switch, a boolean that need not be given: true."""
    pooled: tuple[str, ...] = ()
    """Outputs for whole utterances whose pooled features the graph gives too."""
    has_frames: bool = False
    """Whether it gives the encoder's last states too."""
    source: str = ""
    """sha256 of the weights that it was made from."""

    waveform = "input_values"
    lengths = "input_lengths"
    switch = "normalize"
    frames = "frames"

    @classmethod
    def of(
        cls,
        outputs: Sequence[OutputSpec],
        inputs: Sequence[str] = (),
        *,
        normalizes: bool = True,
        frames: bool = False,
        source: str = "",
    ) -> OnnxGraph:
        """The graphs of a model with these outputs and arrays of inputs."""
        labels = {spec.name: tuple(spec.labels[column] for column in _columns(spec)) for spec in outputs}
        pooled = tuple(spec.name for spec in outputs if not spec.per_frame)
        return cls(labels, tuple(inputs), normalizes, pooled, frames, source)

    def input_names(self, *, padded: bool) -> tuple[str, ...]:
        """Names of the inputs in the order of the graph; the switch is last."""
        lengths = (self.lengths,) if padded else ()
        return (self.waveform, *lengths, *self.inputs, *((self.switch,) if self.normalizes else ()))

    def output_names(self) -> tuple[str, ...]:
        """Names of the graph's outputs in their order."""
        pooled = (self.pooled_name(name) for name in self.pooled)
        return (*map(self.graph_name, self.outputs), *pooled, *((self.frames,) if self.has_frames else ()))

    def graph_name(self, output: str) -> str:
        """Name of an output's log-probabilities in the graph: `logprobs` for the primary one."""
        return "logprobs" if output == next(iter(self.outputs)) else f"logprobs_{output}"

    def pooled_name(self, output: str) -> str:
        """Name of an output's pooled features in the graph."""
        return f"pooled_{output}"

    def order_of(self, spec: OutputSpec) -> list[int] | None:
        """For each column of the graph, that of the model; None if they are the same."""
        columns = _columns(spec)
        return None if columns == list(range(len(columns))) else columns

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` restores the same object."""
        return {
            "outputs": {name: list(labels) for name, labels in self.outputs.items()},
            "inputs": list(self.inputs),
            "normalizes": self.normalizes,
            "pooled": list(self.pooled),
            "frames": self.has_frames,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, data: Any) -> OnnxGraph:
        """Reads what `to_json` wrote; further keys are ignored.

        Raises:
            ValueError: a key is missing, or a value has another type.
        """
        kinds = {
            "outputs": dict, "inputs": list, "normalizes": bool, "pooled": list, "frames": bool, "source": str
        }  # fmt: skip
        if not isinstance(data, Mapping):
            raise ValueError(f"is {data!r:.60}, not a JSON object")
        for key, kind in kinds.items():
            if not isinstance(data.get(key), kind):
                raise ValueError(f"{key} is {data.get(key)!r:.60}, not a {kind.__name__}")
        texts = [*data["inputs"], *data["pooled"]]
        for labels in data["outputs"].values():
            texts += labels if isinstance(labels, list) and labels else [None]
        if not data["outputs"] or not all(isinstance(text, str) for text in texts):
            raise ValueError("outputs, inputs and pooled must be lists of names")
        return cls(
            {name: tuple(labels) for name, labels in data["outputs"].items()},
            tuple(data["inputs"]),
            data["normalizes"],
            tuple(data["pooled"]),
            data["frames"],
            data["source"],
        )


def _columns(spec: OutputSpec) -> list[int]:
    """The model's columns in the order of the graph: the blank first."""
    columns = list(range(len(spec.labels)))
    if objective_of(spec).needs_decoder:
        blank = int(spec.options.get("blank", 0))
        columns.insert(0, columns.pop(blank))
    return columns


def array_names(specs: Sequence[InputSpec]) -> tuple[str, ...]:
    """Names of the arrays of a model's inputs beside the waveform."""
    import numpy as np

    from soritune.tasks.inputs.input import pad_inputs

    return tuple(pad_inputs(specs, [{}], np.array([1])))
