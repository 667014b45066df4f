"""A model as the graph of another program: raw samples in, log-probabilities of every output out.

Shapes: batch, samples, frames (encoder frames), labels, channels (those that the last layer of a head reads).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from soritune.bundles.onnx_graph import OnnxGraph
from soritune.models.losses.loss import log_probabilities
from soritune.models.model import SpeechModel

EPSILON = 1e-7
"""Added to the variance, as in `audio/preprocessing.py`."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One input of a graph."""

    name: str
    example: Tensor
    axes: dict[int, str]
    """Names of the axes of any size."""


class SpeechGraph(nn.Module):
    """A `SpeechModel` behind the interface of an exported graph. It changes the model, which is of no other use then.

    Args:
        model: in evaluation mode, adapters merged.
        graph: what the graph takes and gives.
        padded: whether it takes the lengths of the rows, `input_lengths`.
    """

    def __init__(self, model: SpeechModel, graph: OnnxGraph, *, padded: bool) -> None:
        super().__init__()
        self.model, self.graph, self.padded = model, graph, padded
        model.encoder.prepare_tracing(padded=padded)
        self.names = graph.input_names(padded=padded)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The tensors of `OnnxGraph.output_names`, of those of `OnnxGraph.input_names`."""
        given = dict(zip(self.names, tensors, strict=True))
        waveform = given.pop(self.graph.waveform)
        width = waveform.shape[1]
        if self.padded:
            num_samples = given.pop(self.graph.lengths)
            inside = torch.arange(width, device=waveform.device)[None, :] < num_samples[:, None]
        else:
            num_samples = torch.ones_like(waveform[:, 0], dtype=torch.int64) * width
            inside = None
        if self.graph.normalizes:
            wanted = given.pop(self.graph.switch)
            waveform = torch.where(wanted, normalised(waveform, num_samples, inside), waveform)
        pooled: dict[str, Tensor] = {}
        hooks = [
            self._last_linear(name).register_forward_pre_hook(_keep(pooled, name))
            for name in self.graph.pooled
        ]
        last, by_layer, valid = self.model.encode(waveform, num_samples)
        logits = self.model.logits_of(last, by_layer, valid, given)
        for hook in hooks:
            hook.remove()
        results = []
        specs = {spec.name: spec for spec in self.model.outputs}
        for spec in (specs[name] for name in self.graph.outputs):
            values = log_probabilities(spec, logits[spec.name].float())
            order = self.graph.order_of(spec)
            results.append(values if order is None else values[..., torch.tensor(order)])
        results += [pooled[name] for name in self.graph.pooled]
        return (*results, last) if self.graph.has_frames else tuple(results)

    def _last_linear(self, name: str) -> nn.Linear:
        layer: nn.Linear = self.model.heads[name].last_linear()  # type: ignore[operator]
        return layer


def normalised(waveform: Tensor, num_samples: Tensor, inside: Tensor | None) -> Tensor:
    """Zero mean and unit variance of each row, (batch, samples) as given; zero behind a row's end."""
    if inside is None:
        centred = waveform - waveform.mean(dim=1, keepdim=True)
        return centred / (centred.square().mean(dim=1, keepdim=True) + EPSILON).sqrt()
    count = num_samples[:, None].to(waveform.dtype)
    mean = waveform.masked_fill(~inside, 0.0).sum(dim=1, keepdim=True) / count
    centred = (waveform - mean).masked_fill(~inside, 0.0)
    return centred / (centred.square().sum(dim=1, keepdim=True) / count + EPSILON).sqrt()


def _keep(pooled: dict[str, Tensor], name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        pooled[name] = arguments[0]

    return hook
