from __future__ import annotations

import pytest
import torch
import transformers
from torch import nn

from soritune.models.encoders.wav2vec2.group_norm import MaskedGroupNorm
from soritune.testing import FAMILIES


def test_statistics_are_those_of_the_valid_frames_alone() -> None:
    torch.manual_seed(0)
    plain = nn.GroupNorm(4, 4)
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    masked = MaskedGroupNorm(plain, kernel=10, stride=5)
    hidden = torch.randn(2, 4, 20)
    # 60 samples make (60 - 10) // 5 + 1 = 11 frames, 105 make all 20.
    masked.num_samples = torch.tensor([60, 105])
    normalised = masked(hidden)
    assert torch.allclose(normalised[0, :, :11], plain(hidden[:1, :, :11])[0], atol=1e-6)
    assert torch.allclose(normalised[1], plain(hidden[1:])[0], atol=1e-6)
    assert not torch.allclose(normalised[0, :, :11], plain(hidden[:1])[0, :, :11], atol=1e-2)


def test_gradients_equal_those_of_the_unpadded_norm() -> None:
    torch.manual_seed(1)
    masked = MaskedGroupNorm(nn.GroupNorm(3, 3), kernel=10, stride=5)
    masked.num_samples = torch.tensor([60])
    padded = torch.randn(1, 3, 20, requires_grad=True)
    alone = padded.detach()[:, :, :11].clone().requires_grad_()
    masked(padded)[:, :, :11].square().sum().backward()
    nn.functional.group_norm(alone, 3, masked.weight, masked.bias).square().sum().backward()
    assert padded.grad is not None
    assert alone.grad is not None
    assert torch.allclose(padded.grad[:, :, :11], alone.grad, atol=1e-4)
    assert not padded.grad[:, :, 11:].any()


def test_row_without_frames_stays_finite() -> None:
    masked = MaskedGroupNorm(nn.GroupNorm(3, 3), kernel=10, stride=5)
    masked.num_samples = torch.tensor([0])
    assert masked(torch.randn(1, 3, 20)).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_numbers_are_equal_with_and_without_graph(dtype: torch.dtype) -> None:
    """The row-by-row computation on a CPU without a graph against the one that records a graph."""
    torch.manual_seed(2)
    plain = nn.GroupNorm(5, 5)
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.bias)
    masked = MaskedGroupNorm(plain, kernel=10, stride=5)
    # 20, 11, 1 and no valid frames; the last keeps one anyway.
    masked.num_samples = torch.tensor([105, 60, 10, 0])
    hidden = (3.0 + 0.2 * torch.randn(4, 5, 20)).to(dtype)
    with_graph = masked(hidden)
    with torch.no_grad():
        without = masked(hidden)
    assert with_graph.requires_grad
    assert without.dtype == dtype
    assert without.isfinite().all()
    for row, frames in enumerate((20, 11, 1, 1)):
        assert torch.allclose(without[row, :, :frames], with_graph[row, :, :frames], atol=2e-5, rtol=1e-2)
    assert not without[1, :, 11:].any()


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_padding_changes_no_logit(kind, norm, build, waves) -> None:
    model = build(kind, norm).eval()
    wave, lengths = waves
    together = model(wave, lengths)
    doubled = model(nn.functional.pad(wave, (0, 8000)), lengths)
    for row, (samples, frames) in enumerate(zip(lengths.tolist(), together.num_frames.tolist(), strict=True)):
        alone = model(wave[row : row + 1, :samples], lengths[row : row + 1]).logits["phoneme"][0]
        assert len(alone) == frames
        assert alone.std() > 1e-3
        assert torch.allclose(together.logits["phoneme"][row, :frames], alone, atol=1e-5)
        assert torch.allclose(doubled.logits["phoneme"][row, :frames], alone, atol=1e-5)


@pytest.mark.parametrize(("kind", "norm"), FAMILIES)
def test_clip_alone_equals_transformers(kind, norm, build, checkpoint, waves) -> None:
    folder = checkpoint(kind, norm)
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    model = build(kind, norm).eval()
    wave, lengths = waves
    for row, samples in enumerate(lengths.tolist()):
        clip = wave[row : row + 1, :samples]
        with torch.no_grad():
            expected = theirs(clip).last_hidden_state
            states = model.encode(clip, lengths[row : row + 1])[0]
        assert torch.allclose(states, expected, atol=1e-5)
