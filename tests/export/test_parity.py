from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.onnx_graph import OnnxGraph
from soritune.bundles.read import load_bundle
from soritune.errors import ModelError
from soritune.export.parity import CLIPS, Parity, compare, compare_scaled, tried_clips
from soritune.models.loading import load_model

ToyExport = Callable[[str, str], tuple[Path, Path]]


def test_thresholds_can_be_missed() -> None:
    parity = Parity()
    expected = np.log(np.array([[0.6, 0.4], [0.3, 0.7]]))
    parity.add(expected, expected + 5e-4, is_choice=True)
    parity.check()
    assert (parity.decisions, parity.equal) == (2, 2)
    parity.add(expected, expected[:, ::-1], is_choice=True)
    assert (parity.decisions, parity.equal) == (4, 2)
    with pytest.raises(
        ModelError, match=r"differ by up to 0.85 \(allowed: 0.001\) and 50.0% of the decisions"
    ):
        parity.check()
    with pytest.raises(ModelError, match="50.0% of the decisions are equal"):
        parity.check(tolerance=1.0)


def test_values_that_are_not_numbers_miss_every_threshold() -> None:
    parity = Parity()
    parity.add(np.zeros((1, 2)), np.full((1, 2), np.nan), is_choice=False)
    with pytest.raises(ModelError, match="differ by up to nan"):
        parity.check(tolerance=1e9)
    with pytest.raises(ModelError, match=r"gives \(1, 3\) values and the model \(1, 2\)"):
        parity.add(np.zeros((1, 2)), np.zeros((1, 3)), is_choice=False)


def test_broken_graph_misses_them(toy_export: ToyExport, tmp_path: Path) -> None:
    source, folder = toy_export("wav2vec2", "layer")
    model = load_model(source)
    clips = tried_clips(model, Preprocessing())
    lengths = [len(clip.waveform) for clip in clips]
    assert len(set(lengths)) == CLIPS
    graph = load_bundle(folder).onnx_graph
    whole = compare(model, graph, clips, folder)
    whole.check()
    assert 0 < whole.difference < 1e-3
    assert len(whole.graphs) == 3  # alone, alone with its length, and in padded batches
    broken = shutil.copytree(folder, tmp_path / "broken")
    proto = onnx.load(str(broken / "model.lengths.onnx"))
    bias = next(each for each in proto.graph.initializer if each.name.endswith("heads.phoneme.linear.bias"))
    values = numpy_helper.to_array(bias).copy()
    values[5] += 0.01
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(proto, str(broken / "model.lengths.onnx"))
    with pytest.raises(ModelError, match="does not give the results of the model"):
        compare(model, graph, clips, broken).check()


def test_scaled_clips_need_a_model_that_normalises(toy_export: ToyExport) -> None:
    """The model is told that its preprocessing leaves the level, which sherpa-onnx changes."""
    source, folder = toy_export("wav2vec2", "layer")
    model = load_model(source)
    clips = tried_clips(model, Preprocessing(normalize=False))
    graph = load_bundle(folder).onnx_graph
    assert isinstance(graph, OnnxGraph)
    spec = next(spec for spec in model.outputs if spec.name == "phoneme")
    with pytest.raises(ModelError, match="on audio at the level"):
        compare_scaled(clips, graph, spec, model.geometry, folder / "model.onnx").check(
            on="audio at the level"
        )
