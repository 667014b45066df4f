"""A bundle's model as graphs on disk that were compared with it: what every format built on ONNX begins with."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.card import Bundle, file_sha256
from soritune.bundles.onnx_graph import (
    CLASSIFIERS_FILE,
    LENGTHS_FILE,
    ONNX_FILE,
    OnnxGraph,
    array_names,
)
from soritune.bundles.versions import versions
from soritune.errors import BundleError, ModelError
from soritune.export.parity import LARGEST_DIFFERENCE, Parity, TriedClip, compare, tried_clips
from soritune.export.tracing import complete, trace
from soritune.models.adapters import merge_adapters
from soritune.models.loading import load_model
from soritune.models.losses.loss import loss_of
from soritune.models.model import SpeechModel
from soritune.progress import Console
from soritune.tasks.specs import OutputSpec

LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True, slots=True)
class TracedModel:
    """The graphs of a bundle."""

    graph: OnnxGraph
    exporter: str
    """"dynamo" or "legacy"; the second one if either graph was made by it."""
    opset: int
    parity: Parity
    clips: list[TriedClip]
    """Those of the comparison."""


def check_libraries() -> None:
    """
    Raises:
        BundleError: a library that writes or checks graphs is not installed.
    """
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise BundleError(
            f'an export needs {", ".join(missing)}, which is not installed; install it: pip install "soritune[export]"'
        )


def traced(
    bundle: Bundle,
    folder: Path,
    *,
    outputs: Sequence[OutputSpec] | None = None,
    padded: bool = True,
    frames: bool = False,
    older: bool = False,
    tolerance: float = LARGEST_DIFFERENCE,
    base: str | None = None,
    console: Console,
) -> TracedModel:
    """Writes the graphs of a bundle into a folder and compares their results with the model's.

    Args:
        bundle: of any kind but an ONNX folder.
        folder: gets model.onnx, with `padded` also model.lengths.onnx, and for outputs of whole utterances the file
            with their last layers.
        outputs: those that the graphs give; None is all of them.
        padded: also write the graph for padded batches.
        frames: the graphs give the encoder's last states too.
        older: use the older exporter.
        tolerance: allowed difference of log-probabilities.
        base: of an adapter bundle, as for `load_model`.
        console: for messages.

    Raises:
        ModelError: the model cannot be written as a graph, or the graph gives other results.
    """
    check_libraries()
    model = load_model(bundle.path, "cpu", base=base)
    unwritable = next((spec.name for spec in model.outputs if not loss_of(spec).is_traceable), None)
    if unwritable is not None:
        raise ModelError(
            f"the output '{unwritable}' of {bundle.path} aligns a text, which a graph cannot; train without it to "
            "export the model"
        )
    merge_adapters(model)
    preprocessing = Preprocessing(**bundle.preprocessing)
    graph = OnnxGraph.of(
        outputs or model.outputs,
        array_names(model.input_specs),
        normalizes=preprocessing.normalize,
        frames=frames,
        source=file_sha256(bundle.weights_path),
    )
    # Before the model is changed by tracing.
    clips = tried_clips(model, preprocessing)
    facts = _metadata(bundle)
    exporter, opset = "", 0
    for name, has_lengths in ((ONNX_FILE, False), (LENGTHS_FILE, True)):
        if has_lengths and not padded:
            continue
        console.message(f"writing {name} …")
        made_by, opset = trace(model, graph, folder / name, padded=has_lengths, older=older)
        # Both graphs are made by one exporter, if the first one needs the older.
        older = older or made_by == "legacy"
        exporter = made_by
        complete(folder / name, graph, facts)
    console.message("comparing with PyTorch …")
    parity = compare(model, graph, clips, folder)
    parity.check(tolerance)
    _write_classifiers(model, graph, folder)
    return TracedModel(graph, exporter, opset, parity, clips)


def _metadata(bundle: Bundle) -> dict[str, Any]:
    """What the metadata of a graph has beside its interface."""
    geometry = bundle.geometry
    return {
        "name": bundle.name,
        "sample_rate": geometry.sample_rate_hz,
        "samples_per_frame": geometry.samples_per_frame,
        "blank_id": 0,
        "geometry": geometry.to_json(),
        "preprocessing": bundle.preprocessing,
        "tasks": [dict(task) for task in bundle.card["tasks"]],
        "versions": versions(),
    }


def _write_classifiers(model: SpeechModel, graph: OnnxGraph, folder: Path) -> None:
    layers: dict[str, Any] = {}
    for name in graph.pooled:
        layer = model.heads[name].last_linear()  # type: ignore[operator]
        layers[f"{name}.weight"] = np.ascontiguousarray(layer.weight.detach().numpy())
        layers[f"{name}.bias"] = np.ascontiguousarray(layer.bias.detach().numpy())
    if layers:
        save_file(layers, str(folder / CLASSIFIERS_FILE))
