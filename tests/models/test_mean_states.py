"""Mean states: equal to a head's own mean, unchanged by padding, one per layer and the last."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.mean_states import build_state_model, mean_states, state_names
from soritune.tasks.specs import OutputSpec
from soritune.testing import tiny_config

SPEC = OutputSpec(name="style", labels=("a", "b", "c"), resolution="utterance", objective="cross_entropy")


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return ModelConfig(encoder="none", random_weights=True, architecture=tiny_config(norm="layer", layers=3))


def batch(lengths: list[int]) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(0)
    waveform = torch.zeros(len(lengths), max(lengths))
    for row, length in enumerate(lengths):
        waveform[row, :length] = torch.from_numpy(rng.standard_normal(length).astype(np.float32))
    return {"waveform": waveform, "num_samples": torch.tensor(lengths)}


@pytest.mark.parametrize("layer", [0, 1, 3, "last"])
def test_a_head_of_the_mean_state_is_the_head_of_the_model(config: ModelConfig, layer: int | str) -> None:
    spec = dataclasses.replace(SPEC, layer=layer)
    model = build_model(config, [spec], seed=3).eval()
    inputs = batch([9000, 6000])
    state_model = build_state_model(config, spec, seed=3)
    states = mean_states(state_model, inputs)
    names = state_names(state_model.num_layers)
    assert names == ["0", "1", "2", "3", "last"]
    assert states.shape == (2, 5, model.hidden_size)
    mean = states[:, names.index(str(layer))][:, None]
    head = model.heads["style"]
    with torch.no_grad():
        expected = model(**inputs).logits["style"]
        found = head(mean, torch.ones(2, 1, dtype=torch.bool))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_padding_and_clips_without_a_frame_change_nothing_for_the_others(config: ModelConfig) -> None:
    model = build_state_model(config, SPEC, seed=0)
    alone = mean_states(model, batch([6000]))
    inputs = batch([6000])
    inputs["waveform"] = torch.nn.functional.pad(inputs["waveform"], (0, 5000))
    torch.testing.assert_close(mean_states(model, inputs), alone, atol=1e-5, rtol=1e-4)
    assert torch.isfinite(mean_states(model, batch([3]))).all()
