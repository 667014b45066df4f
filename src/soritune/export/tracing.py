"""A `SpeechGraph` to an ONNX file: by the exporter on top of `torch.export`, or by the older one that traces."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from soritune.bundles.onnx_graph import METADATA_KEY, OnnxGraph
from soritune.errors import ModelError
from soritune.export.graph import Argument, SpeechGraph
from soritune.geometry import Geometry
from soritune.models.model import SpeechModel
from soritune.tasks.inputs.input import example_inputs, free_axes, pad_inputs

logger = logging.getLogger(__name__)

OPSET = 20
"""Of the graphs; ONNX Runtime reads it since 1.17."""
OLDER_OPSET = 17
"""Of those that the older exporter makes."""
EXAMPLE_S = (1.3, 0.9)
"""Lengths of the two clips with which a graph is traced."""


def trace(
    model: SpeechModel, graph: OnnxGraph, file: Path, *, padded: bool, older: bool = False
) -> tuple[str, int]:
    """Writes the graph of a model.

    Args:
        model: on the CPU, in evaluation mode; it is changed.
        graph: what the graph takes and gives.
        file: the ONNX file to write.
        padded: whether the graph takes lengths of rows.
        older: use the older exporter at once.

    Returns:
        "dynamo" or "legacy", the exporter that made it, and the opset of the file.

    Raises:
        ModelError: neither exporter can write it.
    """
    module = SpeechGraph(model, graph, padded=padded).eval()
    arguments = _arguments(model, graph, padded=padded)
    faults = []
    for name, write in (("dynamo", _by_export), ("legacy", _by_tracing)):
        if older and name == "dynamo":
            continue
        try:
            with _quiet(), torch.no_grad():
                opset = write(module, arguments, graph, file)
            return name, opset
        except Exception as error:  # exporters raise errors of any class
            logger.debug("the %s exporter failed", name, exc_info=True)
            faults.append(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    raise ModelError(f"the model cannot be written as an ONNX graph ({'; '.join(faults)})")


def _arguments(model: SpeechModel, graph: OnnxGraph, *, padded: bool) -> list[Argument]:
    """Two clips of noise."""
    rate = model.geometry.sample_rate_hz
    least = model.geometry.least_samples
    lengths = torch.tensor([max(round(seconds * rate), least + 7) for seconds in EXAMPLE_S])
    wave = torch.randn(2, int(lengths.max()), generator=torch.Generator().manual_seed(0))
    arguments = [Argument(graph.waveform, 0.1 * wave, {0: "batch", 1: "samples"})]
    if padded:
        arguments.append(Argument(graph.lengths, lengths, {0: "batch"}))
    specs = model.input_specs
    frames = np.asarray(model.geometry.num_frames(lengths if padded else lengths[:1].expand(2)))
    axes = free_axes(specs)
    for name, array in pad_inputs(specs, [example_inputs(specs), {}], frames).items():
        for axis in axes.get(name, ()):
            array = np.repeat(array, 4, axis) if array.shape[axis] == 1 else array
        free = {axis: f"{name}_{axis}" for axis in axes.get(name, ())}
        arguments.append(Argument(name, torch.from_numpy(array), {0: "batch", **free}))
    if graph.normalizes:
        arguments.append(Argument(graph.switch, torch.tensor(True), {}))
    return arguments


def _by_export(module: SpeechGraph, arguments: Sequence[Argument], graph: OnnxGraph, file: Path) -> int:
    """The exporter on top of `torch.export`."""
    geometry = module.model.geometry
    dims = {"samples": _samples(geometry)}
    shapes = tuple(
        {axis: dims.setdefault(name, torch.export.Dim(name, min=1)) for axis, name in argument.axes.items()}
        for argument in arguments
    )
    program = torch.onnx.export(
        module,
        tuple(argument.example for argument in arguments),
        dynamo=True,
        dynamic_shapes={"tensors": shapes},
        input_names=[argument.name for argument in arguments],
        output_names=list(graph.output_names()),
        opset_version=OPSET,
        verbose=False,
        external_data=False,
    )
    assert program is not None
    program.save(str(file), external_data=False)
    return OPSET


def _samples(geometry: Geometry) -> Any:
    longest = geometry.longest_samples
    bounds = {} if longest == float("inf") else {"max": int(longest)}
    return torch.export.Dim("samples", min=geometry.least_samples, **bounds)


def _by_tracing(module: SpeechGraph, arguments: Sequence[Argument], graph: OnnxGraph, file: Path) -> int:
    """The older exporter, which records the operations of one call."""
    outputs = graph.output_names()
    axes: dict[str, dict[int, str]] = {argument.name: argument.axes for argument in arguments}
    axes |= {name: {0: "batch"} for name in outputs}
    for spec in module.model.outputs:
        if spec.per_frame and spec.name in graph.outputs:
            axes[graph.graph_name(spec.name)] = {0: "batch", 1: "frames"}
    if graph.has_frames:
        axes[graph.frames] = {0: "batch", 1: "frames"}
    torch.onnx.export(
        module,
        tuple(argument.example for argument in arguments),
        str(file),
        dynamo=False,
        input_names=[argument.name for argument in arguments],
        output_names=list(outputs),
        dynamic_axes=axes,
        opset_version=OLDER_OPSET,
    )
    return OLDER_OPSET


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters print and warn about their own code."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def complete(file: Path, graph: OnnxGraph, facts: Mapping[str, Any]) -> None:
    """Lets the switch have a value of its own, so that it need not be given, and writes the metadata.

    Args:
        file: the ONNX file, which is changed.
        graph: what it takes and gives.
        facts: plain JSON for the metadata.
    """
    import onnx

    proto = onnx.load(str(file))
    if graph.normalizes:
        # An input that is an initializer too has a default.
        default = onnx.helper.make_tensor(graph.switch, onnx.TensorProto.BOOL, [], [True])
        proto.graph.initializer.append(default)
    texts = {METADATA_KEY: json.dumps({**graph.to_json(), **facts}, ensure_ascii=False)}
    texts |= {name: str(value) for name, value in facts.items() if isinstance(value, str | int | float)}
    onnx.helper.set_model_props(proto, texts)
    proto.doc_string = ""
    onnx.save(proto, str(file))
