from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.read import load_bundle
from soritune.errors import BundleError, ModelError
from soritune.inference.predictor import Predictor
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.stages.export import export
from soritune.tasks.task import make_task
from soritune.testing import tiny_config

ToyExport = Callable[[str, str], tuple[Path, Path]]


def test_first_output_of_the_graph_is_the_ctc_output(toy_export: ToyExport, tmp_path: Path) -> None:
    """The bundle's first output is another one. sherpa-onnx scales audio itself and then reads output 0."""
    source, _ = toy_export("wav2vec2", "layer")
    settings = {"older": True, "onnx_asr": True}
    folder = export("sherpa", source, tmp_path / "out", settings).folder
    assert {file.name for file in folder.iterdir()} == {"model.onnx", "tokens.txt", "README.md", "onnx-asr"}
    labels = load_bundle(source).labels["phoneme"]
    tokens = (folder / "tokens.txt").read_text(encoding="utf-8").splitlines()
    assert (tokens[0], len(tokens)) == ("<blk> 0", len(labels))
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    assert [each.name for each in session.get_inputs()] == ["input_values"]
    assert [each.name for each in session.get_outputs()] == ["logprobs"]
    wave = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    scaled = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-5)
    (values,) = session.run(None, {"input_values": scaled[None]})
    (expected,) = Predictor.load(source, vad="off").posteriors((wave, 16000))
    np.testing.assert_allclose(values[0], expected.outputs["phoneme"], atol=1e-3)
    asr = folder / "onnx-asr"
    assert {file.name for file in asr.iterdir()} == {"model.onnx", "config.json", "vocab.txt"}
    assert json.loads((asr / "config.json").read_text(encoding="utf-8"))["subsampling_factor"] == 320
    inputs = onnxruntime.InferenceSession(str(asr / "model.onnx")).get_inputs()
    assert [each.name for each in inputs] == ["input_values", "input_lengths"]


def test_onnx_folder_whose_first_output_is_another_is_refused(toy_export: ToyExport, tmp_path: Path) -> None:
    _, folder = toy_export("wav2vec2", "layer")
    with pytest.raises(BundleError, match="takes its first output"):
        export("sherpa", folder, tmp_path / "out")
    with pytest.raises(BundleError, match="older has no effect on an ONNX folder"):
        export("sherpa", folder, tmp_path / "out", {"older": True})


def test_onnx_folder_is_copied(tiny_ko: str, tmp_path: Path) -> None:
    settings = {"older": True, "padded": False, "int8": True, "force": True}
    folder = export("onnx", tiny_ko, tmp_path / "int8", settings).folder
    # 5.3 million weights, most of them a byte each.
    assert 6e6 < (folder / "model.onnx").stat().st_size < 8e6
    copied = export("sherpa", folder, tmp_path / "sherpa").folder
    for name in ("model.onnx", "tokens.txt"):
        assert (copied / name).read_bytes() == (folder / name).read_bytes()


def test_models_that_it_cannot_run_are_refused(toy_export: ToyExport, tmp_path: Path) -> None:
    source, _ = toy_export("wav2vec2", "layer")
    with pytest.raises(BundleError, match="has no CTC output 'words'; it has: phoneme"):
        export("sherpa", source, tmp_path / "out", {"output": "words"})
    task = make_task("emotion", {"labels": ["a", "b"]})
    config = ModelConfig(encoder="toy", architecture=tiny_config(norm="layer"), random_weights=True)
    model = build_model(config, task.outputs, seed=0)
    save_bundle(model, tmp_path / "emotion", tasks=[task], preprocessing=Preprocessing())
    with pytest.raises(BundleError, match="has no CTC output, and sherpa-onnx reads symbols along time"):
        export("sherpa", tmp_path / "emotion", tmp_path / "out")
    phones = make_task("phoneme", {})
    raw = build_model(config, phones.outputs, seed=0)
    save_bundle(raw, tmp_path / "raw", tasks=[phones], preprocessing=Preprocessing(normalize=False))
    with pytest.raises(ModelError, match="on audio at the level that sherpa-onnx gives it"):
        export("sherpa", tmp_path / "raw", tmp_path / "out", {"older": True})
    low = build_model(config, phones.outputs, seed=0, sample_rate_hz=8000)
    save_bundle(low, tmp_path / "low", tasks=[phones], preprocessing=Preprocessing(sample_rate_hz=8000))
    with pytest.raises(BundleError, match="takes 8000 Hz, and sherpa-onnx gives 16000 Hz"):
        export("sherpa", tmp_path / "low", tmp_path / "out")
    assert not (tmp_path / "out").exists()
