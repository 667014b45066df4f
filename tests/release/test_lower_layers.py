from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.testing import ctc_output, tiny_checkpoint, tiny_config

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "release" / "lower_layers.py"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tiny_checkpoint(tmp_path / "whisper", tiny_config("whisper", layers=3))
    (source / "NOTICE").write_text("MIT")
    return source


def states(folder: Path, layer: int) -> torch.Tensor:
    model = build_model(ModelConfig(encoder=str(folder)), [ctc_output(layer=layer)], seed=0).eval()
    wave = torch.randn(1, 6000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model.encode(wave, torch.tensor([6000]))[1][layer]


def test_states_below_the_last_layer_are_those_of_the_whole_encoder(folder: Path, tmp_path: Path) -> None:
    """All matrices of the toy are small enough to stay in half precision."""
    SCRIPT["make"](folder, tmp_path / "lower", 2)
    assert torch.allclose(states(tmp_path / "lower", 1), states(folder, 1), atol=2e-2)
    opened = transformers.WhisperModel.from_pretrained(tmp_path / "lower")
    assert len(opened.encoder.layers) == 2
    assert (tmp_path / "lower" / "NOTICE").read_text() == "MIT"


def test_matrices_are_rounded_as_a_packed_model_rounds_them() -> None:
    """Row 0 has the largest value 127, so its step is 1; 0.4 becomes 0. Row 1 has a step of 2."""
    matrix = np.zeros((2, 70_000), np.float32)
    matrix[0, :3], matrix[1, :3] = (127.0, 0.4, 1.6), (254.0, 0.9, 3.1)
    weights = {"model.encoder.layers.0.fc1.weight": matrix, "model.decoder.x": matrix}
    weights["model.encoder.layers.1.fc1.weight"] = matrix
    kept: dict[str, Any] = SCRIPT["lower_layers"](weights, 1)
    assert list(kept) == ["encoder.layers.0.fc1.weight"]
    assert kept["encoder.layers.0.fc1.weight"][:, :3].tolist() == [[127.0, 0.0, 2.0], [254.0, 0.0, 4.0]]


def test_folders_that_are_not_a_whisper_with_so_many_layers_are_refused(folder: Path, tmp_path: Path) -> None:
    for source, layers, words in (
        (tmp_path / "none", 2, "no config.json"),
        (folder, 4, "3 encoder layers; 4 layers"),
        (tiny_checkpoint(tmp_path / "w2v"), 1, "type 'wav2vec2'"),
    ):
        with pytest.raises(ValueError, match=words):
            SCRIPT["make"](source, tmp_path / "out", layers)
    assert not (tmp_path / "out").exists()
