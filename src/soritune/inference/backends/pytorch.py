"""Runs a bundle with PyTorch. The only file of this package that may import torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import nn

from soritune.bundles.read import load_bundle
from soritune.inference.backends.backend import Arrays
from soritune.models.devices import pick_device
from soritune.models.loading import load_model
from soritune.models.model import SpeechModel

_OPENED: WeakValueDictionary[tuple[str, str], SpeechModel] = WeakValueDictionary()
"""Models in use whose weights belong to a base, by its checksum and the device: further adapters share the base."""


class PytorchBackend:
    """A `SpeechModel` in evaluation mode, without gradients, in float32 on a CPU and on a GPU alike."""

    def __init__(self, path: Path, *, device: str = "auto", base: str | None = None) -> None:
        self.device = pick_device(device)
        bundle = load_bundle(path)
        stored = bundle.card.get("base")
        key = (str((stored if isinstance(stored, dict) else {}).get("sha256")), str(self.device))
        self.model = load_model(path, self.device, base=base, opened=_OPENED.get(key))
        if bundle.is_adapter:
            _OPENED[key] = self.model
        self.model.eval()
        # A CPU is not faster with large batches; a GPU is idle without them.
        self.padded_seconds = 60.0 if self.device.type == "cpu" else 640.0

    def run(self, inputs: Arrays) -> Arrays:
        """See `Backend.run`."""
        tensors = {name: torch.from_numpy(array).to(self.device) for name, array in inputs.items()}
        with torch.inference_mode():
            output = self.model(**tensors)
        arrays: Arrays = {name: logits.float().cpu().numpy() for name, logits in output.logits.items()}
        arrays["num_frames"] = output.num_frames.cpu().numpy().astype(np.int64)
        return arrays

    def run_pooled(self, inputs: Arrays) -> tuple[Arrays, Arrays]:
        """See `PoolingBackend.run_pooled`."""
        pooled: dict[str, torch.Tensor] = {}

        def keep(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
            def hook(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
                pooled[name] = arguments[0]

            return hook

        hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in self._last_layers().items()]
        try:
            arrays = self.run(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return arrays, {name: features.float().cpu().numpy() for name, features in pooled.items()}

    def classify(self, pooled: Arrays) -> Arrays:
        """See `PoolingBackend.classify`."""
        layers = self._last_layers()
        with torch.inference_mode():
            return {
                name: layers[name](torch.from_numpy(features).to(self.device)).float().cpu().numpy()
                for name, features in pooled.items()
            }

    def _last_layers(self) -> dict[str, nn.Linear]:
        """The last layer of each output for whole utterances."""
        heads = {spec.name: self.model.heads[spec.name] for spec in self.model.outputs if not spec.per_frame}
        return {name: head.last_linear() for name, head in heads.items()}  # type: ignore[operator]


BACKEND = PytorchBackend
