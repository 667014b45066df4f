from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from torch import nn

from soritune.run_folder import RunFolder
from soritune.training.averaging import Averager
from soritune.training.config import EmaSettings
from soritune.training.phase_weights import PhaseWeights


@pytest.fixture
def model() -> nn.Sequential:
    """Frozen, trained before and frozen now, trained now."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1))
    made[0].requires_grad_(False)
    made[1].requires_grad_(False)
    return made


def weights_of(model: nn.Module, folder: Path, averager: Averager | None = None) -> PhaseWeights:
    return PhaseWeights(model, {"1.weight", "1.bias", "2.weight", "2.bias"}, averager, RunFolder(folder))


def test_state_has_what_this_phase_and_earlier_ones_train(model: nn.Sequential, tmp_path: Path) -> None:
    assert sorted(weights_of(model, tmp_path).state()) == ["1.bias", "1.weight", "2.bias", "2.weight"]


def test_weights_of_a_file_are_in_the_model_while_the_block_runs(
    model: nn.Sequential, tmp_path: Path
) -> None:
    weights = weights_of(model, tmp_path)
    file = RunFolder(tmp_path).best_weights(1, 4)
    saved = model[2].weight.item()
    weights.save(file)
    assert file.name == "best-phase1-step-4.safetensors"
    with torch.no_grad():
        changed = model[2].weight.add_(1).item()
    with weights.read_from(file):
        assert model[2].weight.item() == saved
    assert model[2].weight.item() == changed


def test_weights_are_restored_after_an_error(model: nn.Sequential, tmp_path: Path) -> None:
    weights = weights_of(model, tmp_path)
    file = RunFolder(tmp_path).best_weights(1, 4)
    weights.save(file)
    with torch.no_grad():
        changed = model[2].weight.add_(1).item()
    with contextlib.suppress(KeyError), weights.read_from(file):
        raise KeyError
    assert model[2].weight.item() == changed


def test_averages_replace_the_weights_while_the_block_runs(model: nn.Sequential, tmp_path: Path) -> None:
    """After step 1 the average is 2/11 of the old weight and 9/11 of the new one."""
    averager = Averager(model, EmaSettings(decay=0.9))
    weights = weights_of(model, tmp_path, averager)
    with torch.no_grad():
        old, new = model[2].bias.item(), model[2].bias.add_(1.1).item()
    averager.update(1)
    with weights.averaged():
        assert model[2].bias.item() == pytest.approx(old + 0.9, abs=1e-6)
    assert model[2].bias.item() == new
    assert sorted(weights.averages() or {}) == ["2.bias", "2.weight"]


def test_without_averages_the_weights_are_unchanged(model: nn.Sequential, tmp_path: Path) -> None:
    weights = weights_of(model, tmp_path)
    before = model[2].bias.item()
    with weights.averaged():
        assert model[2].bias.item() == before
    assert weights.averages() is None
