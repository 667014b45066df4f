from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from soritune.models.encoders.wav2vec2.matrix_products import FramesLinear, MatrixFront


@pytest.mark.parametrize(("kernel", "stride"), [(10, 5), (3, 2), (2, 2), (3, 3), (1, 1), (4, 3), (5, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_product_equals_the_convolution(kernel: int, stride: int, bias: bool) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv1d(6, 4, kernel, stride, bias=bias)
    product = FramesLinear(convolution)
    for frames in range(kernel, kernel + 2 * stride + 3):
        hidden = torch.randn(2, 6, frames)
        expected = convolution(hidden)
        assert torch.allclose(product(hidden.transpose(1, 2)).transpose(1, 2), expected, atol=1e-5)


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv1d(4, 4, 3, groups=2),
        nn.Conv1d(4, 4, 3, padding=1),
        nn.Conv1d(4, 4, 3, dilation=2),
        nn.Conv1d(4, 4, 2, 3),
    ],
)
def test_other_convolutions_are_refused(convolution: nn.Conv1d) -> None:
    with pytest.raises(ValueError, match="not a plain convolution"):
        FramesLinear(convolution)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_front_gives_the_same_features(norm: str, build, waves) -> None:
    encoder = build("wav2vec2", norm).encoder.eval()
    wave, _ = waves
    with torch.no_grad():
        expected = encoder.feature_extractor(wave)
        front = MatrixFront(copy.deepcopy(encoder.feature_extractor))
        assert torch.allclose(front(wave), expected, atol=1e-5)
    assert not any(isinstance(layer.conv, nn.Conv1d) for layer in front.conv_layers[1:])
