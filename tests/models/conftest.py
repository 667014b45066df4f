"""Toy checkpoints, made once per session, and short waveforms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.model import SpeechModel
from soritune.tasks.specs import OutputSpec
from soritune.testing import ctc_output, tiny_checkpoint, tiny_config


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """checkpoint("wavlm", "group", head="ctc") → folder."""
    made: dict[tuple[object, ...], Path] = {}

    def make(kind: str = "wav2vec2", norm: str = "layer", layers: int = 2, **options: object) -> Path:
        key = (kind, norm, layers, *sorted((name, str(value)) for name, value in options.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("checkpoint") / f"{kind}-{norm}"
            made[key] = tiny_checkpoint(folder, tiny_config(kind, norm, layers), **options)  # type: ignore[arg-type]
        return made[key]

    return make


@pytest.fixture(scope="session")
def build(checkpoint: Callable[..., Path]) -> Callable[..., SpeechModel]:
    """build("hubert", "group", outputs=…, lora=…) → a model on a toy checkpoint."""

    def make(
        kind: str = "wav2vec2",
        norm: str = "layer",
        layers: int = 2,
        outputs: tuple[OutputSpec, ...] = (ctc_output(),),
        seed: int = 0,
        **config: object,
    ) -> SpeechModel:
        encoder = config.pop("encoder", None) or checkpoint(kind, norm, layers)
        return build_model(ModelConfig(encoder=str(encoder), **config), outputs, seed=seed)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def waves() -> tuple[Tensor, Tensor]:
    """Three clips of 0.5, 0.3 and 0.2 s, zero-padded: (3, 8000) and their lengths."""
    lengths = torch.tensor([8000, 4803, 3200])
    generator = torch.Generator().manual_seed(7)
    values = torch.randn(3, 8000, generator=generator)
    return values * (torch.arange(8000) < lengths[:, None]), lengths


def perturbed(model: SpeechModel) -> SpeechModel:
    """The model in evaluation mode with every trained parameter changed, as after training."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()
