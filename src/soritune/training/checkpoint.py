"""What a run needs to resume exactly where it was: trainable weights, optimizer moments and a few integers.

A checkpoint is written under a temporary name, synced and renamed, so the newest one on disk is always whole.
Everything is safetensors and JSON: nothing is unpickled on resume. Where checkpoints are: `run_folder.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import NonNegativeInt, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW

from soritune.errors import OutputError, OutsideFolderError, TrainingError, reason_of
from soritune.inside_folder import path_inside
from soritune.run_folder import RunFolder, checkpoint_order
from soritune.strict_json import read_json
from soritune.training.run_progress import Progress

STATE, WEIGHTS, OPTIMIZER = "state.json", "trainable.safetensors", "optimizer.safetensors"
AVERAGES = "averages.safetensors"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of a weight."""

logger = logging.getLogger(__name__)


class DamagedCheckpointError(TrainingError):
    """A checkpoint that is not whole."""


def save_checkpoint(
    run: RunFolder,
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
    """Writes a checkpoint and removes all but the newest `keep_newest`.

    Everything goes into a folder under another name, is synced to the disk, and becomes the checkpoint by one rename.
    An existing checkpoint is never touched: another one at the same step is a further copy, `step-N-2`.

    Args:
        run: the run's folder.
        progress: where the run is.
        identity: hashes of recipe, data and labels; `load_checkpoint` refuses others.
        weights: the weights that are trained, by name.
        optimizer: its moments are stored.
        scaler: state of the loss scaler of fp16, or None.
        files: lengths of the run's logs, to which resuming cuts them.
        keep_newest: number of checkpoints to keep.
        averages: averaged weights by name, or None.

    Raises:
        OutputError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    before = checkpoints(run)
    copies = [copy for (step, copy), _ in _ordered(run) if step == progress.step]
    target = run.checkpoint(progress.step, max(copies, default=0) + 1)
    part = target.with_name(f".writing-{target.name}")
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
        sync(target.parent)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise _not_written(target, error, resume_advice(before)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    clean(run, keep_newest)
    return target


def _not_written(target: Path, error: Exception, advice: str) -> OutputError:
    return OutputError(f"{target} could not be written ({reason_of(error)})", advice)


def resume_advice(existing: Sequence[Path]) -> str:
    """What to do about a run that could not write, by its checkpoints, oldest first."""
    if not existing:
        return "there is no checkpoint yet; make room and start again"
    return f"{existing[-1].name} is whole, make room and continue from it with --resume"


def save_weights(run: RunFolder, path: Path, weights: Mapping[str, Tensor]) -> None:
    """Writes weights alone as one file of a run, whole or not at all.

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
        raise _not_written(path, error, resume_advice(checkpoints(run))) from error
    finally:
        part.unlink(missing_ok=True)


def load_weights(path: Path) -> dict[str, Tensor]:
    """Reads what `save_weights` wrote.

    Raises:
        TrainingError: it is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"the weights to start from, {path}, cannot be read ({reason_of(error)}); train the phase before again, or "
            "name a bundle with model.init_from"
        ) from error


@torch.no_grad()
def put_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies weights into the model, by name. Buffers that a bundle does not store are among them, such as positions.

    Raises:
        TrainingError: a weight that the model does not have, or of another shape.
    """
    copy_weights({**model.state_dict(), **dict(model.named_buffers())}, weights)


@torch.no_grad()
def copy_weights(own: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> None:
    """Copies stored weights over a run's own, by name.

    Raises:
        TrainingError: a stored weight is not among the own ones, or has another shape.
    """
    for name, value in stored.items():
        if name not in own or own[name].shape != value.shape:
            raise TrainingError(
                f"the stored weights do not fit the model, first {name[:80]!r} of shape {tuple(value.shape)}; "
                "they belong to another run or were changed"
            )
        own[name].copy_(value)


def clean(run: RunFolder, keep_newest: int) -> None:
    """Removes all but the newest checkpoints, weights that none of them names, and what a killed process left."""
    for old in checkpoints(run)[:-keep_newest]:
        shutil.rmtree(old, ignore_errors=True)
    named: set[str] = set()
    for path in checkpoints(run):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            progress = read_json(path / STATE)["progress"]
            named |= {progress["best_weights"], *(done["weights"] for done in progress["done"])}
    for path in run.all_best_weights():
        if path.name not in named:
            path.unlink(missing_ok=True)
    for path in run.checkpoints.glob("*"):
        # A checkpoint comes into being whole, so one without a state is one whose removal was interrupted.
        if checkpoint_order(path) is not None and not (path / STATE).exists():
            shutil.rmtree(path, ignore_errors=True)
    for path in run.checkpoints.glob(".writing-*"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def drop_newer(run: RunFolder, loaded: Loaded) -> None:
    """Removes the checkpoints after the one a run resumes from: they could not be read."""
    existing = checkpoints(run)
    for path in existing[existing.index(loaded.path) + 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def checkpoints(run: RunFolder) -> list[Path]:
    """Whole checkpoints, oldest first."""
    return [path for _, path in _ordered(run)]


def _ordered(run: RunFolder) -> list[tuple[tuple[int, int], Path]]:
    """((step, copy), folder) of the whole checkpoints, oldest first."""
    whole = [(checkpoint_order(path), path) for path in run.checkpoints.glob("*") if (path / STATE).exists()]
    return sorted((order, path) for order, path in whole if order is not None)


@dataclass(slots=True)
class Loaded:
    """A checkpoint that was read."""

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
        state = read_json(path / STATE)
        weights, optimizer = load_file(path / WEIGHTS), load_file(path / OPTIMIZER)
        averages = load_file(path / AVERAGES) if (path / AVERAGES).exists() else None
        progress, scaler = Progress.from_json(state["progress"]), state["scaler"]
        files = TypeAdapter(dict[str, NonNegativeInt]).validate_python(state["files"], strict=True)
        made_with = dict(state["identity"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"{path} is not a whole checkpoint ({reason_of(error)})") from error
    _refuse_foreign_files(path, progress, files)
    for what, digest in made_with.items():
        if identity.get(what) != digest:
            raise TrainingError(
                f"{path} was made with another {what} than this run's; resume with the {what} it was made with, "
                "or start anew from its weights with model.init_from"
            )
    return Loaded(path, progress, weights, optimizer, scaler, files, averages)


def _refuse_foreign_files(path: Path, progress: Progress, files: Mapping[str, int]) -> None:
    """Refuses files that no run names in its checkpoints: resuming cuts and reads them.

    Raises:
        TrainingError: such a file.
    """
    run = RunFolder(path.parent.parent)
    foreign = [name for name in files if name not in run.growing_files]
    for name in progress.weight_files:
        try:
            path_inside(run.checkpoints, name)
        except OutsideFolderError:
            foreign.append(name)
    if foreign:
        raise TrainingError(
            f"{path / STATE} names {foreign[0][:200]!r}, which is not a file of this run; it was changed after the "
            "training wrote it, so start anew without --resume"
        )


def newest_checkpoint(run: RunFolder, identity: Mapping[str, str]) -> Loaded:
    """The newest whole checkpoint of a run; damaged ones are skipped with a warning in the log.

    Raises:
        TrainingError: no checkpoint can be read, or it belongs to another run.
    """
    damaged = []
    for path in reversed(checkpoints(run)):
        try:
            return load_checkpoint(path, identity)
        except DamagedCheckpointError as error:
            logger.warning("%s; trying the one before", error)
            damaged.append(path.name)
    unread = f"; {', '.join(damaged)} cannot be read" if damaged else ""
    raise TrainingError(f"{run.path} has no whole checkpoint to resume from{unread}; start without --resume")


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
    """Restores the moments that `save_checkpoint` stored.

    Raises:
        TrainingError: a moment of a weight that is not trained, or of another shape.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    by_position = {f"{i:04d}": parameter for i, parameter in enumerate(parameters)}
    for name, value in tensors.items():
        position, _, key = name.partition(".")
        parameter = by_position.get(position)
        expected = () if parameter is None or key == "step" else tuple(parameter.shape)
        if parameter is None or key not in MOMENTS or tuple(value.shape) != expected:
            raise TrainingError(
                f"the optimizer's state does not fit the model ({name[:80]!r} of shape {tuple(value.shape)}); "
                "the checkpoint is damaged, start anew from the weights with model.init_from"
            )
        # The step counter stays where the optimizer wants it (fused AdamW: beside the parameter).
        optimizer.state[parameter][key] = value.to(parameter.device)


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk; Windows opens no folders, and syncs only what can be written."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def frozen_digest(model: nn.Module) -> str:
    """A digest of the weights that are not trained, so that a run is never resumed on a different base model."""
    digest = hashlib.sha256()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]
