"""Which of a run's processes this is, as torchrun, accelerate and mpirun tell it. What they say to each other is in
`training/process_group.py`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from soritune.errors import OutputError, TrainingError

_COUNTS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


def _number(names: tuple[str, ...], otherwise: int) -> int:
    name = next((name for name in names if name in os.environ), None)
    if name is None:
        return otherwise
    try:
        return int(os.environ[name])
    except ValueError:
        raise TrainingError(
            f"the environment says {name}={os.environ[name]!r}, which is no number; unset it, or start the processes "
            "with torchrun"
        ) from None


def count() -> int:
    """Processes of the run, on all machines; 1 where nobody started several."""
    return _number(_COUNTS, 1)


def rank() -> int:
    """Which of them this is, from 0."""
    return _number(_RANKS, 0)


def is_main() -> bool:
    """Whether this is the one that writes."""
    return rank() == 0


def refuse_single_process_launch() -> None:
    """Raises TrainingError where accelerate was asked for several processes and started one.

    `accelerate launch --cpu --num_processes 2` does so: it leaves starting them to mpirun.
    """
    asked = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_PORT" in os.environ
    if asked and count() == 1 and not any(name in os.environ for name in _COUNTS):
        raise TrainingError(
            "accelerate launch was asked for several processes and started one, as it does with --cpu; give "
            "--multi_gpu in its place, which works without a GPU too, or use torchrun"
        )


SEEN_WITHIN_S = 60.0
"""How long a file of the first process may take to be seen on another machine: network file systems keep what they
have looked up for a while."""


def wait_until_visible(path: Path) -> Path:
    """A path that another process wrote, once this one sees it.

    Raises:
        OutputError: it does not come.
    """
    began = time.monotonic()
    while not path.exists():
        if time.monotonic() - began > SEEN_WITHIN_S:
            raise OutputError(
                f"{path} is not here, though the first process wrote it; the run's folder must be on a file system "
                "that all machines share, at the same path"
            )
        time.sleep(0.2)
    return path
