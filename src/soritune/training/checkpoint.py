"""What a run needs to go on exactly where it was: trainable weights, optimizer moments and a few integers.

A checkpoint is written under a temporary name, synced and renamed, so the newest one on disk is always whole.
Everything is safetensors and JSON: nothing is unpickled on resume.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
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
AVERAGES = "averages.safetensors"
_NAME = re.compile(r"step-(\d+)(?:-(\d+))?")

logger = logging.getLogger(__name__)


class DamagedCheckpointError(TrainingError):
    """A checkpoint that is not whole."""


@dataclass(slots=True)
class Progress:
    """Where a run is. `phase`, `epoch`, `step_in_epoch` and the seed give the next micro-batch."""

    phase: int = 0
    """Index of the phase, from 0."""
    epoch: int = 0
    """Of the phase."""
    step_in_epoch: int = 0
    phase_step: int = 0
    """Optimizer steps of this phase."""
    step: int = 0
    """Optimizer steps so far, over all phases."""
    ended: str | None = None
    """Why the phase is over, or None while it is not."""
    best: dict[str, float] = field(default_factory=dict)
    """Best value in this phase of everything that is kept the best of."""
    kept: dict[str, list[list[float]]] = field(default_factory=dict)
    """[value, step, validation loss] of the weights that are kept of each, best first."""
    best_weights: str | None = None
    """File beside the checkpoints with the weights that the next phase starts from."""
    stale_evaluations: int = 0
    """Evaluations since the monitored value last improved by `min_delta`."""
    monitored: float | None = None
    """The value those are counted against."""
    non_finite_steps: int = 0
    failed_rows: int = 0
    """Rows of this epoch that could not be used."""
    last_evaluation: int = -1
    """Step of the last evaluation."""
    done: list[dict[str, Any]] = field(default_factory=list)
    """Finished phases: index, steps, why they ended, best values, file of their best weights."""

    def next_phase(self, index: int) -> None:
        """Begins phase `index`; steps go on being counted."""
        fresh = Progress(phase=index, step=self.step, done=self.done, non_finite_steps=self.non_finite_steps)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))


def save_checkpoint(
    folder: Path,
    *,
    progress: Progress,
    identity: Mapping[str, str],
    weights: Mapping[str, Tensor],
    optimizer: AdamW,
    scaler: Mapping[str, Any] | None,
    files: Mapping[str, int],
    keep_newest: int,
    averages: Mapping[str, Tensor] | None = None,
) -> Path:
    """Writes `folder/step-N` and removes all but the newest `keep_newest`.

    Everything goes into a folder under another name, is synced to the disk, and becomes the checkpoint by one rename.
    A checkpoint that is there is never touched: another one at the same step is called `step-N-2`.

    Args:
        identity: hashes of recipe, data and labels; `load_checkpoint` refuses others.
        files: lengths of the run's logs, to which resuming cuts them.
        averages: averaged weights, where there are any.

    Raises:
        OutputError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    before = checkpoints(folder)
    taken = [int(found[2] or 1) for found in map(_matched, before) if int(found[1]) == progress.step]
    name = f"step-{progress.step}" + (f"-{max(taken) + 1}" if taken else "")
    target, part = folder / name, folder / f".writing-{name}"
    state = {
        "schema": "soritune.checkpoint/2",
        "progress": asdict(progress),
        "identity": dict(identity),
        "scaler": dict(scaler) if scaler else None,
        "files": dict(files),
    }
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _save_tensors(part / WEIGHTS, weights)
        _save_tensors(part / OPTIMIZER, _optimizer_tensors(optimizer))
        if averages is not None:
            _save_tensors(part / AVERAGES, averages)
        (part / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
        for file in part.iterdir():
            sync(file)
        sync(part)
        part.rename(target)
        sync(folder)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise OutputError(_not_written(target, error, before)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    clean(folder, keep_newest)
    return target


def _not_written(target: Path, error: Exception, before: list[Path]) -> str:
    return (
        f"{target} could not be written ({getattr(error, 'strerror', None) or error}); {what_is_left(before)}"
    )


def what_is_left(before: list[Path]) -> str:
    """Where a run that could not write can be gone on with, in words."""
    if not before:
        return "there is no checkpoint yet; make room and start again"
    return f"{before[-1].name} is whole, make room and go on from there with --resume"


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Writes weights alone as one file, whole or not at all.

    Raises:
        OutputError: the disk is full or not writable.
    """
    part = path.with_name(f".writing-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _save_tensors(part, weights)
        sync(part)
        os.replace(part, path)
        sync(path.parent)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise OutputError(_not_written(path, error, checkpoints(path.parent))) from error
    finally:
        part.unlink(missing_ok=True)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Reads what `save_weights` wrote.

    Raises:
        TrainingError: it is gone or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"the weights to start from, {path}, cannot be read ({error}); train the phase before again, or name a "
            "bundle with model.init_from"
        ) from error


@torch.no_grad()
def put_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies weights into the model, by name."""
    own = dict(model.state_dict())
    for name, value in weights.items():
        own[name].copy_(value)


def clean(folder: Path, keep_newest: int) -> None:
    """Removes all but the newest checkpoints, weights that none of them names, and what a killed process left."""
    for old in checkpoints(folder)[:-keep_newest]:
        shutil.rmtree(old, ignore_errors=True)
    named: set[str] = set()
    for path in checkpoints(folder):
        with contextlib.suppress(OSError, ValueError, KeyError):
            progress = json.loads((path / STATE).read_text(encoding="utf-8"))["progress"]
            named |= {progress["best_weights"], *(done["weights"] for done in progress["done"])}
    for path in folder.glob("best-*.safetensors"):
        if path.name not in named:
            path.unlink(missing_ok=True)
    for path in folder.glob(".writing-*"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def drop_newer(loaded: Loaded) -> None:
    """Removes the checkpoints after the one a run goes on from: they could not be read."""
    found = checkpoints(loaded.path.parent)
    for path in found[found.index(loaded.path) + 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _matched(path: Path) -> re.Match[str]:
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return found


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and (path / STATE).exists()]
    return sorted(found, key=lambda path: (int(_matched(path)[1]), int(_matched(path)[2] or 1)))


@dataclass(slots=True)
class Loaded:
    """A checkpoint read back."""

    path: Path
    progress: Progress
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    scaler: dict[str, Any] | None
    files: dict[str, int]
    averages: dict[str, Tensor] | None = None


def load_checkpoint(path: Path, identity: Mapping[str, str]) -> Loaded:
    """Reads a checkpoint.

    Raises:
        DamagedCheckpointError: it is not whole.
        TrainingError: it belongs to another recipe, other data, other labels or another base.
    """
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        weights, optimizer = load_file(path / WEIGHTS), load_file(path / OPTIMIZER)
        averages = load_file(path / AVERAGES) if (path / AVERAGES).exists() else None
        progress, scaler, files = Progress(**state["progress"]), state["scaler"], dict(state["files"])
        made_with = dict(state["identity"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"{path} is not a whole checkpoint ({error})") from error
    for what, found in made_with.items():
        if identity.get(what) != found:
            raise TrainingError(
                f"{path} was made with another {what} than this run's; resume with the {what} it was made with, "
                "or start anew from its weights with model.init_from"
            )
    return Loaded(path, progress, weights, optimizer, scaler, files, averages)


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


def _save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path)


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


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
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
