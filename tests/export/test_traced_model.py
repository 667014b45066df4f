from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.packing import pack_bundle
from soritune.bundles.read import load_bundle
from soritune.errors import BundleError, ModelError
from soritune.export import traced_model
from soritune.export.traced_model import check_libraries, traced
from soritune.models.build import build_model
from soritune.models.config import LoraSettings, ModelConfig
from soritune.models.loading import load_model
from soritune.models.saving import save_bundle
from soritune.progress import SILENT
from soritune.tasks.task import make_task
from soritune.testing import tiny_checkpoint, tiny_config

ToyExport = Callable[[str, str], tuple[Path, Path]]


def test_adapters_are_merged(tmp_path: Path) -> None:
    base = tiny_checkpoint(tmp_path / "base", tiny_config(norm="layer"))
    task = make_task("phoneme", {})
    model = build_model(ModelConfig(encoder=str(base), lora=LoraSettings(rank=2)), task.outputs, seed=0)
    for name, weight in model.encoder.named_parameters():
        if ".lora_B" in name:
            weight.data.normal_()
    bundle = save_bundle(model, tmp_path / "b", tasks=[task], preprocessing=Preprocessing())
    assert bundle.is_adapter
    result = traced(bundle, tmp_path, padded=False, older=True, console=SILENT)
    assert (result.exporter, result.parity.equal) == ("legacy", result.parity.decisions)
    assert b"lora" not in (tmp_path / "model.onnx").read_bytes()


def test_weights_stored_as_int8_are_read_as_numbers(toy_export: ToyExport, tmp_path: Path) -> None:
    source, _ = toy_export("wav2vec2", "layer")
    packed = pack_bundle(source, tmp_path / "packed")
    result = traced(packed, tmp_path, padded=False, older=True, console=SILENT)
    assert result.parity.difference < 1e-3


def test_last_layers_of_utterance_outputs_are_stored(toy_export: ToyExport) -> None:
    source, folder = toy_export("wav2vec2", "layer")
    layer = load_model(source).heads["emotion"].last_linear()  # type: ignore[operator]
    stored = load_file(str(folder / "classifiers.safetensors"))
    assert set(stored) == {"emotion.weight", "emotion.bias"}
    np.testing.assert_array_equal(stored["emotion.weight"], layer.weight.numpy())


def test_graph_with_other_results_is_refused(
    toy_export: ToyExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = toy_export("wav2vec2", "layer")
    trace = traced_model.trace

    def broken(model: Any, *args: Any, **options: Any) -> tuple[str, int]:
        model.heads["phoneme"].linear.bias.data[5] += 1.0
        return trace(model, *args, **options)

    monkeypatch.setattr(traced_model, "trace", broken)
    with pytest.raises(ModelError, match="does not give the results of the model on the same audio"):
        traced(load_bundle(source), tmp_path, padded=False, older=True, console=SILENT)


def test_missing_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find_spec(name)
    )
    with pytest.raises(BundleError, match=r'needs onnxscript, which is not installed.*"soritune\[export\]"'):
        check_libraries()


def test_output_that_aligns_a_text_is_refused(tmp_path: Path) -> None:
    settings = {"labels": "correct-incorrect", "inventory": ["a", "b"], "segment_head": {"width": 8}}
    task = make_task("mispronunciation", settings)
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, task.outputs, seed=0, inputs=task.inputs)
    bundle = save_bundle(model, tmp_path / "b", tasks=[task], preprocessing=Preprocessing())
    with pytest.raises(ModelError, match="'segment' of .* aligns a text, which a graph cannot"):
        traced(bundle, tmp_path, console=SILENT)
