"""Runs an ONNX folder (`soritune export onnx`) with ONNX Runtime, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from soritune.bundles.card import Bundle
from soritune.bundles.onnx_graph import (
    CLASSIFIERS_FILE,
    LENGTHS_FILE,
    METADATA_KEY,
    ONNX_FILE,
    OnnxGraph,
)
from soritune.bundles.read import load_bundle
from soritune.errors import BundleError, ModelError, reason_of
from soritune.inference.backends.backend import Arrays
from soritune.tasks.objectives.objective import objective_of

SEVERE = 4
"""Log level of ONNX Runtime: fatal errors only, since others are raised too."""


class OnnxRuntimeBackend:
    """The two graphs of an ONNX folder. The one for padded batches is opened when a batch first needs it.

    Args:
        path: the folder.
        device: auto, cpu, cuda or cuda:1. Auto takes a GPU if ONNX Runtime has its CUDA provider.
        base: refused, since adapters are merged in an export.

    Raises:
        BundleError: not an ONNX folder, a file that ONNX Runtime cannot open, one that is not of this folder, or
            ONNX Runtime is not installed.
        ModelError: a device that ONNX Runtime cannot use.
    """

    def __init__(self, path: Path, *, device: str = "auto", base: str | None = None) -> None:
        self.bundle = load_bundle(path)
        if not self.bundle.is_onnx:
            raise BundleError(
                f"{path} is not an ONNX folder; write one with `soritune export onnx {path} --output FOLDER`"
            )
        self.graph = self.bundle.onnx_graph
        _check_card(self.bundle, self.graph)
        self.geometry = self.bundle.geometry
        self._specs = {spec.name: spec for spec in self.bundle.outputs}
        self._orders = {
            name: np.argsort(order)
            for name, spec in self._specs.items()
            if (order := self.graph.order_of(spec)) is not None
        }
        self._providers = _providers(device)
        self._plain = self._session(ONNX_FILE, padded=False)
        self._padded: Any = None
        self._has_padded = (self.bundle.path / LENGTHS_FILE).is_file()
        # A CPU is not faster with large batches; a GPU is idle without them.
        self.padded_seconds = 60.0 if self._providers == ["CPUExecutionProvider"] else 640.0

    def run(self, inputs: Arrays) -> Arrays:
        """See `Backend.run`."""
        return self._outputs(inputs, pooled=False)[0]

    def run_pooled(self, inputs: Arrays) -> tuple[Arrays, Arrays]:
        """See `PoolingBackend.run_pooled`."""
        return self._outputs(inputs, pooled=True)

    def classify(self, pooled: Arrays) -> Arrays:
        """See `PoolingBackend.classify`.

        Raises:
            BundleError: the folder lacks the layers.
        """
        layers = self._classifiers()
        return {
            name: features @ layers[f"{name}.weight"].T + layers[f"{name}.bias"]
            for name, features in pooled.items()
        }

    def _outputs(self, inputs: Arrays, *, pooled: bool) -> tuple[Arrays, Arrays]:
        lengths = inputs["num_samples"]
        is_full = bool((lengths == inputs["waveform"].shape[1]).all())
        if is_full and int(lengths[0]) >= self.geometry.least_samples:
            values = self._run(self._plain, inputs, pooled, padded=False)
        elif self._has_padded:
            if self._padded is None:
                self._padded = self._session(LENGTHS_FILE, padded=True)
            values = self._run(self._padded, inputs, pooled, padded=True)
        else:
            values = self._row_by_row(inputs, pooled)
        arrays: Arrays = {}
        for name, spec in self._specs.items():
            columns = values[self.graph.graph_name(name)]
            order = self._orders.get(name)
            logits = objective_of(spec).logits(spec, columns if order is None else columns[..., order])
            arrays[name] = logits
        arrays["num_frames"] = np.asarray(self.geometry.num_frames(lengths), dtype=np.int64)
        features = {name: values[self.graph.pooled_name(name)] for name in self.graph.pooled if pooled}
        return arrays, features

    def _run(self, session: Any, inputs: Arrays, pooled: bool, *, padded: bool) -> Arrays:
        """The graph's outputs by name. The waveform is that of the preprocessing, which has normalised it."""
        waveform = inputs["waveform"]
        missing = self.geometry.least_samples - waveform.shape[1]
        if missing > 0:
            waveform = np.pad(waveform, ((0, 0), (0, missing)))
        given: Arrays = {self.graph.waveform: waveform}
        if padded:
            given[self.graph.lengths] = inputs["num_samples"]
        if self.graph.normalizes:
            given[self.graph.switch] = np.array(False)
        given |= {name: inputs[name] for name in self.graph.inputs}
        names = [self.graph.graph_name(name) for name in self._specs]
        names += [self.graph.pooled_name(name) for name in self.graph.pooled if pooled]
        return dict(zip(names, session.run(names, given), strict=True))

    def _row_by_row(self, inputs: Arrays, pooled: bool) -> Arrays:
        """A padded batch without the graph for it: each row alone, joined with zeros behind shorter ones."""
        rows = []
        for row, length in enumerate(inputs["num_samples"].tolist()):
            alone = {name: array[row : row + 1] for name, array in inputs.items()}
            alone["waveform"] = alone["waveform"][:, :length]
            rows.append(self._run(self._plain, alone, pooled, padded=False))
        return {name: _joined([row[name] for row in rows]) for name in rows[0]}

    def _session(self, name: str, *, padded: bool) -> Any:
        """An open graph.

        Raises:
            BundleError: see the class.
        """
        runtime = _runtime()
        file = self.bundle.path / name
        options = runtime.SessionOptions()
        options.log_severity_level = SEVERE
        threads = os.environ.get("OMP_NUM_THREADS", "")
        if threads.isdigit():  # of which ONNX Runtime takes no notice
            options.intra_op_num_threads = int(threads)
        try:
            session = runtime.InferenceSession(str(file), options, providers=self._providers)
        except Exception as error:  # the library has a class of its own for each status
            reason = " ".join(str(error).split())[:200]
            raise BundleError(
                f"{file} cannot be opened by ONNX Runtime {runtime.__version__} ({reason}); copy it again, or export "
                "the bundle again with the versions installed here"
            ) from error
        self._check(session, file, padded=padded)
        return session

    def _check(self, session: Any, file: Path, *, padded: bool) -> None:
        """Compares a graph with the card.

        Raises:
            BundleError: it is the graph of another program, or of another model.
        """
        stored = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        try:
            described = None if stored is None else OnnxGraph.from_json(json.loads(stored))
        except ValueError:
            described = None
        names = [each.name for each in (*session.get_inputs(), *session.get_overridable_initializers())]
        outputs = [each.name for each in session.get_outputs()]
        if (
            described is None
            or set(names) != set(described.input_names(padded=padded))
            or set(outputs) != set(described.output_names())
        ):
            raise BundleError(
                f"{file} is not a graph that `soritune export onnx` writes under this name; copy the whole folder again"
            )
        if described != self.graph:
            raise BundleError(
                f"{file} is the graph of another model: {_difference(described, self.graph)}; copy the whole folder "
                "again"
            )

    def _classifiers(self) -> Mapping[str, NDArray[np.float32]]:
        file = self.bundle.path / CLASSIFIERS_FILE
        try:
            layers = load_file(str(file))
        except Exception as error:
            raise BundleError(
                f"{file} cannot be read as safetensors ({reason_of(error)}); copy it again"
            ) from error
        missing = [name for name in self.graph.pooled if f"{name}.weight" not in layers]
        if missing:
            raise BundleError(f"{file} lacks the layer of '{missing[0]}'; copy it again")
        return layers


def _runtime() -> Any:
    """The library.

    Raises:
        BundleError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BundleError(
            'an ONNX folder needs ONNX Runtime, which is not installed; install it: pip install "soritune[onnx]"'
        ) from error
    return onnxruntime


def _providers(device: str) -> list[Any]:
    """Execution providers of ONNX Runtime for a device.

    Raises:
        ModelError: a device that it cannot use.
    """
    kind, _, index = device.partition(":")
    available = _runtime().get_available_providers()
    has_cuda = "CUDAExecutionProvider" in available
    if device == "cpu" or (device == "auto" and not has_cuda):
        return ["CPUExecutionProvider"]
    if device == "auto" or (kind == "cuda" and (not index or index.isdigit())):
        if not has_cuda:
            raise ModelError(
                f"the device {device} cannot be used: this ONNX Runtime has {', '.join(available)}; install "
                "onnxruntime-gpu, or choose --device cpu"
            )
        return [("CUDAExecutionProvider", {"device_id": index or "0"}), "CPUExecutionProvider"]
    raise ModelError(f"ONNX Runtime has no device {device!r}; choose auto, cpu, cuda or cuda:1")


def _check_card(bundle: Bundle, graph: OnnxGraph) -> None:
    """
    Raises:
        BundleError: the card's outputs are not those of its section `onnx`.
    """
    expected = OnnxGraph.of(bundle.outputs, graph.inputs).outputs
    if graph.outputs != expected:
        raise bundle.damaged("onnx", "its labels are not those of the outputs")


def _difference(graph: OnnxGraph, expected: OnnxGraph) -> str:
    if replace(graph, source=expected.source) == expected:
        return "it was made from other weights (their sha256 differs)"
    odd = next((name for name, labels in expected.outputs.items() if graph.outputs.get(name) != labels), None)
    if odd is None or odd not in graph.outputs:
        return f"its outputs are {', '.join(graph.outputs)} and its inputs {', '.join(graph.inputs) or 'the waveform'}"
    pairs = zip(graph.outputs[odd], expected.outputs[odd], strict=False)
    return f"the labels of '{odd}' differ, such as " + next(
        (f"'{label}' instead of '{other}'" for label, other in pairs if label != other),
        f"{len(graph.outputs[odd])} instead of {len(expected.outputs[odd])}",
    )


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Arrays (1, …) as one; the second axis is padded with zeros."""
    if parts[0].ndim < 3:
        return np.concatenate(parts)
    longest = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, longest - part.shape[1]), (0, 0))) for part in parts])


BACKEND = OnnxRuntimeBackend
