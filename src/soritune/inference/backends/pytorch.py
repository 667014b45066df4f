"""Runs a bundle with PyTorch. The only file of this package that may import torch."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch

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


BACKEND = PytorchBackend
