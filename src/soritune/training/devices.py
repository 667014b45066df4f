"""Where training runs and in what precision, by accelerate."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs

from soritune import processes
from soritune.errors import TrainingError
from soritune.models.devices import pick_device
from soritune.training.config import TrainingSettings
from soritune.training.process_group import timeout


def make_accelerator(settings: TrainingSettings) -> Accelerator:
    """The process's accelerator for `settings.device` and `settings.precision`.

    `gradient_accumulation_steps` stays 1: the loop accumulates and divides by itself.

    Raises:
        ModelError: the machine has no such device.
        TrainingError: several processes would share one GPU, or the device does not support the precision.
    """
    device = pick_device(settings.device)
    precision = settings.precision
    if precision == "auto":
        precision = "fp32" if device.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if precision == "fp16" and device.type == "cpu":
        raise TrainingError("train.precision=fp16 needs a GPU; use fp32 or bf16 on a CPU")
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    several = processes.count() > 1
    if device.index is not None and several:
        raise TrainingError(
            f"train.device={device} is one GPU, and {processes.count()} processes would share it; set "
            "train.device=cuda, and each process takes its own"
        )
    if device.index is not None:
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(device)
        torch.cuda.set_device(device)
    # A process may train twice (folds, tests) in different precisions; accelerate would keep the first.
    AcceleratorState._reset_state(reset_partial_state=device.type == "cpu" and not several)
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        gradient_accumulation_steps=1,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timeout())] if several else None,
    )
