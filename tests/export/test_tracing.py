from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from soritune.bundles.onnx_graph import OnnxGraph, array_names
from soritune.errors import ModelError
from soritune.export import tracing
from soritune.export.tracing import complete, trace
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.losses.loss import log_probabilities
from soritune.models.model import SpeechModel
from soritune.tasks.inputs.input import encode_inputs, kind_of, pad_inputs
from soritune.tasks.specs import InputSpec, OutputSpec
from soritune.testing import class_output, ctc_output, tiny_config, tiny_text_encoder

CONVOLUTIONS = {"kind": "convolution", "width": 8, "layers": 1, "kernel_frames": 3}
GRU = {"kind": "gru", "width": 8, "layers": 1}
FRAMES = OutputSpec("levels", ("x", "y"), "frame", "regression")
MULTI = OutputSpec("moods", ("a", "b", "c"), "utterance", "multi_label")
TEACHER = OutputSpec("teacher", ("a", "b", "c"), "utterance", "kl_divergence", layer=(0, 2))
READER = replace(class_output("second"), reads="phoneme", layer=1)


def toy(outputs: tuple[OutputSpec, ...], inputs: tuple[InputSpec, ...] = ()) -> SpeechModel:
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    return build_model(config, outputs, seed=0, inputs=inputs).eval().requires_grad_(False)


def largest_difference(
    outputs: tuple[OutputSpec, ...],
    file: Path,
    *,
    padded: bool,
    older: bool,
    inputs: tuple[InputSpec, ...] = (),
) -> tuple[float, str]:
    """Of log-probabilities of the graph and of the model, on clips of other lengths than the traced ones."""
    model = toy(outputs, inputs)
    graph = OnnxGraph.of(outputs, array_names(inputs), normalizes=False)
    lengths = torch.tensor([7001, 2500, 350] if padded else [7001] * 3)
    wave = torch.randn(3, 7001, generator=torch.Generator().manual_seed(1))
    wave = wave * (torch.arange(7001) < lengths[:, None])
    examples = [encode_inputs(inputs, {spec.name: kind_of(spec).example(spec) for spec in inputs}), {}, {}]
    arrays = pad_inputs(inputs, examples, np.asarray(model.geometry.num_frames(lengths)))
    with torch.no_grad():
        expected = model(wave, lengths, **{name: torch.from_numpy(each) for name, each in arrays.items()})
    maker, _ = trace(model, graph, file, padded=padded, older=older)
    complete(file, graph, {"name": "toy"})
    session = onnxruntime.InferenceSession(str(file))
    given: dict[str, Any] = {graph.waveform: wave.numpy(), **arrays}
    if padded:
        given[graph.lengths] = lengths.numpy()
    values = dict(zip(graph.output_names(), session.run(None, given), strict=True))
    worst = 0.0
    for spec in outputs:
        reference = log_probabilities(spec, expected.logits[spec.name]).numpy()
        result = values[graph.graph_name(spec.name)]
        for row, frames in enumerate(expected.num_frames.tolist()):
            part = slice(frames) if spec.per_frame else slice(None)
            worst = max(worst, float(np.abs(reference[row][part] - result[row][part]).max()))
    return worst, maker


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "outputs",
    [
        (replace(ctc_output(), head=CONVOLUTIONS), MULTI, FRAMES),
        (replace(ctc_output(), head=GRU), class_output(layer="weighted"), TEACHER, READER),
    ],
    ids=["convolutions", "gru"],
)
def test_every_objective_and_head(outputs: tuple[OutputSpec, ...], padded: bool, tmp_path: Path) -> None:
    worst, maker = largest_difference(outputs, tmp_path / "model.onnx", padded=padded, older=True)
    assert maker == "legacy"
    assert worst < 1e-4


@pytest.mark.parametrize("kind", ["number", "frame_numbers", "text"])
def test_inputs_beside_the_waveform(kind: str, tmp_path: Path) -> None:
    options = {}
    if kind == "text":
        options = {
            "encoder": str(tiny_text_encoder(tmp_path / "text", ["오늘은 날씨가 좋습니다"])),
            "width": 8,
        }
    spec = InputSpec("given", "given", "given", kind, optional=True, options=options)
    outputs = (replace(class_output(), inputs=("given",)), ctc_output())
    worst, _ = largest_difference(outputs, tmp_path / "model.onnx", padded=True, older=True, inputs=(spec,))
    assert worst < 1e-4


@pytest.mark.slow(seconds=30)
def test_exporter_on_top_of_torch_export_is_the_first_choice(tmp_path: Path) -> None:
    outputs = (ctc_output(), class_output(layer="weighted"))
    file = tmp_path / "model.onnx"
    worst, maker = largest_difference(outputs, file, padded=True, older=False)
    assert (maker, onnx.load(str(file)).opset_import[0].version) == ("dynamo", tracing.OPSET)
    assert worst < 1e-4


def test_older_exporter_follows_where_the_newer_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> int:
        raise RuntimeError("no lowering")

    monkeypatch.setattr(tracing, "_by_export", fails)
    worst, maker = largest_difference((ctc_output(),), tmp_path / "model.onnx", padded=False, older=False)
    assert maker == "legacy"
    assert worst < 1e-4
    monkeypatch.setattr(tracing, "_by_tracing", fails)
    with pytest.raises(ModelError, match=r"dynamo: RuntimeError: no lowering; legacy: RuntimeError"):
        largest_difference((ctc_output(),), tmp_path / "model.onnx", padded=False, older=False)


def test_switch_has_a_default_and_metadata_are_written(tmp_path: Path) -> None:
    outputs = (ctc_output(),)
    graph, file = OnnxGraph.of(outputs), tmp_path / "model.onnx"
    trace(toy(outputs), graph, file, padded=False, older=True)
    complete(file, graph, {"name": "toy", "sample_rate": 16000})
    session = onnxruntime.InferenceSession(str(file))
    assert [each.name for each in session.get_inputs()] == ["input_values"]
    assert [each.name for each in session.get_overridable_initializers()] == ["normalize"]
    assert session.get_modelmeta().custom_metadata_map["sample_rate"] == "16000"
    wave = 0.01 * np.random.default_rng(0).standard_normal((1, 5000)).astype(np.float32)
    scaled = ((wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)).astype(np.float32)
    (by_default,) = session.run(None, {"input_values": wave})
    (switched_off,) = session.run(None, {"input_values": scaled, "normalize": np.array(False)})
    (unscaled,) = session.run(None, {"input_values": wave, "normalize": np.array(False)})
    np.testing.assert_allclose(by_default, switched_off, atol=1e-4)
    assert np.abs(by_default - unscaled).max() > 1e-3
