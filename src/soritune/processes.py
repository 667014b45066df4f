"""Rank and number of a run's processes, from the variables of torchrun, accelerate and mpirun.

Communication between processes is in `training/process_group.py`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from soritune.errors import OutputError, TrainingError

_COUNTS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


def _number(names: tuple[str, ...], default: int) -> int:
    """The value of the first variable that is set, else `default`."""
    name = next((name for name in names if name in os.environ), None)
    if name is None:
        return default
    try:
        return int(os.environ[name])
    except ValueError:
        raise TrainingError(
            f"the environment variable {name} is {os.environ[name]!r}, which is not a number; unset it, or start the "
            "processes with torchrun"
        ) from None


def count() -> int:
    """Number of processes of the run on all machines; 1 when not launched in a group."""
    return _number(_COUNTS, 1)


def rank() -> int:
    """Rank of this process, from 0."""
    return _number(_RANKS, 0)


def is_main() -> bool:
    """Whether this is the process that writes files."""
    return rank() == 0


def refuse_single_process_launch() -> None:
    """Refuses a launch by accelerate of several processes that started only one.

    `accelerate launch --cpu --num_processes 2` does this, since it expects mpirun to start the processes.

    Raises:
        TrainingError: this is such a launch.
    """
    launched_in_group = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ
    if launched_in_group and count() == 1 and not any(name in os.environ for name in _COUNTS):
        raise TrainingError(
            "accelerate launch was called for several processes and started one, as it does with --cpu; replace --cpu "
            "by --multi_gpu, which also works without a GPU, or use torchrun"
        )


VISIBLE_WITHIN_S = 60.0
"""How long a file of the first process may take to become visible on another machine: network file systems cache
directories."""


def wait_until_visible(
    path: Path, *, writer: str = "the first process", folder: str = "the run's folder"
) -> Path:
    """Waits until a path that another process wrote exists here, and returns it.

    Args:
        path: of a file or folder.
        writer: who has it, for the message.
        folder: what has to be shared, for the message.

    Raises:
        OutputError: it does not appear within a minute.
    """
    started = time.monotonic()
    while not path.exists():
        if time.monotonic() - started > VISIBLE_WITHIN_S:
            raise OutputError(
                f"{path} does not exist here, though {writer} wrote it; {folder} must be on a file system that all "
                "machines share, at the same path"
            )
        time.sleep(0.2)
    return path
