"""What a run needs to go on exactly where it was: trainable weights, optimizer moments and a few integers.

A checkpoint is written under a temporary name, synced and renamed, so the newest one on disk is always whole.
Everything is safetensors and JSON: nothing is unpickled on resume.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW

from soritune.errors import OutputError, TrainingError

STATE, WEIGHTS, OPTIMIZER = "state.json", "trainable.safetensors", "optimizer.safetensors"


logger = logging.getLogger(__name__)


class DamagedCheckpointError(TrainingError):
    """A checkpoint that is not whole."""


@dataclass(slots=True)
class Progress:
    """Where a run is. `phase`, `epoch`, `step_in_epoch` and the seed give the next micro-batch."""

    phase: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    """Optimizer steps so far, over all epochs."""
    best: dict[str, float] = field(default_factory=dict)
    """Best value of everything that is kept the best of."""
    stale_evaluations: int = 0
    """Evaluations since the monitored value last improved by `min_delta`."""
    monitored: float | None = None
    """The value those are counted against."""
    non_finite_steps: int = 0
    failed_rows: int = 0
    """Rows of this epoch that could not be used."""
    last_evaluation: int = -1
    """Step of the last evaluation."""


def save_checkpoint(
    folder: Path,
    *,
    progress: Progress,
    identity: Mapping[str, str],
    weights: Mapping[str, Tensor],
    optimizer: AdamW,
    scaler: Mapping[str, Any] | None,
    log_bytes: int,
    keep_newest: int,
) -> Path:
    """Writes `folder/step-N` and removes all but the newest `keep_newest`.

    Args:
        identity: hashes of recipe, data and labels; `load_checkpoint` refuses others.

    Raises:
        OutputError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    target = folder / f"step-{progress.step}"
    part = folder / f".writing-step-{progress.step}"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, part / WEIGHTS)
        save_file(_optimizer_tensors(optimizer), part / OPTIMIZER)
        state = {
            "schema": "soritune.checkpoint/1",
            "progress": asdict(progress),
            "identity": dict(identity),
            "scaler": dict(scaler) if scaler else None,
            "log_bytes": log_bytes,
        }
        (part / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
        for file in part.iterdir():
            _sync(file)
        _sync(part)
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
        _sync(folder)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise OutputError(
            f"checkpoint {target} could not be written ({error}); earlier checkpoints are whole"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in checkpoints(folder)[:-keep_newest]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [path for path in folder.glob("step-*") if path.name[5:].isdecimal() and (path / STATE).exists()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


@dataclass(slots=True)
class Loaded:
    """A checkpoint read back."""

    progress: Progress
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    scaler: dict[str, Any] | None
    log_bytes: int


def load_checkpoint(path: Path, identity: Mapping[str, str]) -> Loaded:
    """Reads a checkpoint.

    Raises:
        DamagedCheckpointError: it is not whole.
        TrainingError: it belongs to another recipe, other data, other labels or another base.
    """
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        weights, optimizer = load_file(path / WEIGHTS), load_file(path / OPTIMIZER)
        progress, scaler, log_bytes = Progress(**state["progress"]), state["scaler"], int(state["log_bytes"])
        made_with = dict(state["identity"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"{path} is not a whole checkpoint ({error})") from error
    for what, expected in identity.items():
        if made_with.get(what) != expected:
            raise TrainingError(
                f"{path} was made with another {what} than this run's; resume with the {what} it was made with, "
                "or start anew from its weights with model.init_from"
            )
    return Loaded(progress, weights, optimizer, scaler, log_bytes)


def newest_checkpoint(folder: Path, identity: Mapping[str, str]) -> Loaded:
    """The newest whole checkpoint below `folder`; damaged ones are passed over with a warning in the log.

    Raises:
        TrainingError: there is none, or it belongs to another run.
    """
    damaged = []
    for path in reversed(checkpoints(folder)):
        try:
            return load_checkpoint(path, identity)
        except DamagedCheckpointError as error:
            logger.warning("%s; trying the one before", error)
            damaged.append(path.name)
    told = f"; {', '.join(damaged)} cannot be read" if damaged else ""
    raise TrainingError(
        f"{folder.parent} has no whole checkpoint to resume from{told}; start without --resume"
    )


def _optimizer_tensors(optimizer: AdamW) -> dict[str, Tensor]:
    """Moments by position: `0007.exp_avg` is the first moment of the eighth parameter over all groups."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return {
        f"{i:04d}.{key}": value.detach().cpu().contiguous()
        for i, parameter in enumerate(parameters)
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(optimizer: AdamW, tensors: Mapping[str, Tensor]) -> None:
    """Puts back what `save_checkpoint` stored."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, value in tensors.items():
        position, key = name.split(".", 1)
        parameter = parameters[int(position)]
        # The step counter stays where the optimizer wants it (fused AdamW: beside the parameter).
        optimizer.state[parameter][key] = value.to(parameter.device)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def frozen_digest(model: nn.Module) -> str:
    """A digest of the weights that are not trained: a run must not be gone on with on another base."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
