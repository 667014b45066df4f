"""The device that a name means."""

from __future__ import annotations

import torch

from soritune.errors import ModelError


def pick_device(name: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ModelError: the name is unknown or not supported, or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ModelError(f"device '{name}' is unknown; use auto, cpu, cuda or cuda:INDEX") from None
    if device.type not in ("cpu", "cuda"):
        raise ModelError(f"device '{name}' is not supported; use auto, cpu, cuda or cuda:INDEX")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"device '{name}' is requested, but no GPU is usable here; use device=cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"device '{name}' is requested, but there are {torch.cuda.device_count()} GPUs, counted from 0"
        )
    return device
