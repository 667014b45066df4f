from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from soritune.errors import ModelError
from soritune.export.int8 import quantise

ToyExport = Callable[[str, str], tuple[Path, Path]]


@pytest.fixture
def file(toy_export: ToyExport, tmp_path: Path) -> Path:
    _, folder = toy_export("wav2vec2", "layer")
    return Path(shutil.copyfile(folder / "model.onnx", tmp_path / "model.onnx"))


def int8_weights(file: Path) -> int:
    graph = onnx.load(str(file)).graph
    return sum(each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 2 for each in graph.initializer)


def test_weights_of_matrix_products_become_int8(file: Path) -> None:
    metadata = {each.key: each.value for each in onnx.load(str(file)).metadata_props}
    # Two layers of four attention and two feed-forward weights, all convolutions of the front but the first, its
    # projection, and three of the heads.
    assert quantise(file) == int8_weights(file) == 2 * 6 + 2 + 1 + 3
    assert {each.key: each.value for each in onnx.load(str(file)).metadata_props} == metadata
    assert not list(file.parent.glob("int8-*"))


def test_named_modules_stay_in_float32(file: Path, tmp_path: Path) -> None:
    every = Path(shutil.copyfile(file, tmp_path / "every.onnx"))
    total = quantise(every)
    assert quantise(file, ["layers.0.", "emotion.classifier"]) == total - 7
    assert int8_weights(file) == int8_weights(every) - 7


def test_unknown_module_is_refused(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(ModelError, match=r"no matrix product has 'layers.7.' in its name.*names are such as"):
        quantise(file, ["layers.7."])
    with pytest.raises(ModelError, match="no weight is left"):
        quantise(file, ["e"])
    assert file.read_bytes() == before
