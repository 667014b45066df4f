"""Means over the frames of an encoder's states: all that a linear head with mean pooling reads of an utterance.

Next: `stages/cached_states.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.model import SpeechModel
from soritune.tasks.specs import OutputSpec


def state_names(num_layers: int) -> list[str]:
    """What an output's `layer` may be, in the order of `mean_states`: "0", "1", …, "last"."""
    return [*(str(layer) for layer in range(num_layers + 1)), "last"]


def build_state_model(
    config: ModelConfig, output: OutputSpec, *, seed: int, sample_rate_hz: int = 16000
) -> SpeechModel:
    """A model in evaluation mode that keeps every state of its encoder.

    Args:
        config: says where the encoder's weights come from; new adapters are left out.
        output: of the task. Its head is not used.
        seed: of random weights.
        sample_rate_hz: of the waveforms.
    """
    config = config.model_copy(update={"lora": None, "layerdrop": 0.0})
    reading_all = dataclasses.replace(output, layer="weighted", inputs=(), reads=None)
    return build_model(config, [reading_all], seed=seed, sample_rate_hz=sample_rate_hz).eval()


@torch.no_grad()
def mean_states(model: SpeechModel, inputs: Mapping[str, Tensor]) -> Tensor:
    """(batch, states, hidden): the mean of every state over the valid frames, in the order of `state_names`.

    Args:
        model: as `build_state_model` makes it.
        inputs: `waveform`, `num_samples` and the masks of a batch.
    """
    last, states, valid = model.encode(**inputs)
    shares = valid.float() / valid.sum(dim=1, keepdim=True)
    every = [*(states[layer] for layer in range(model.num_layers + 1)), last]
    return torch.stack([torch.einsum("bf,bfh->bh", shares, state.float()) for state in every], dim=1)
