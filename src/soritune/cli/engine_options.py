"""Options of the verbs that can run on a cluster of Ray: the engine, its address, and what an actor gets."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from soritune.cli.given_options import refuse_idle
from soritune.errors import SorituneError
from soritune.ray_engine import RayEngine

Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="Where the work is done: on this machine, or on a cluster of Ray (extra ray)."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="HOST:PORT of the cluster, or auto for the one this machine is in; default: RAY_ADDRESS, else a Ray on "
        "this machine for the time of the command."
    ),
]
Actors = Annotated[
    int | None,
    typer.Option(help="With --engine ray: most jobs at a time; default: as the cluster has room for.", min=1),
]
GpusPerActor = Annotated[
    float | None,
    typer.Option(
        help="With --engine ray: GPUs of an actor, such as 0.25; default: 1 if the cluster has GPUs."
    ),
]


def chosen_engine(
    context: typer.Context,
    engine: str,
    address: str | None,
    actors: int | None,
    gpus: float | None = None,
    *,
    device: str = "cpu",
) -> RayEngine | None:
    """The cluster that the options name; None for this machine.

    Raises:
        SorituneError: an option has no effect, or Ray chooses what the device names.
        MissingLibraryError: Ray is not installed.
    """
    local = "without --engine ray" if engine == "local" else None
    parameters = {p.name for p in context.command.params}
    reasons = {
        "ray_address": local,
        "actors": local,
        "gpus_per_actor": local or ("with --device cpu" if device == "cpu" else None),
        "workers": None if local else "with --engine ray, where --actors limits the jobs at a time",
    }
    refuse_idle(context, {name: reason for name, reason in reasons.items() if name in parameters})
    if local:
        return None
    if device.startswith("cuda:"):
        raise SorituneError(
            f"--device {device} names a GPU, and Ray chooses the GPU of an actor; give --device cuda"
        )
    if gpus is not None and not (0 < gpus < 1 or gpus == int(gpus) > 0):
        raise SorituneError(f"--gpus-per-actor expects a share below 1 or a whole number, got {gpus:g}")
    chosen = RayEngine(address, actors, gpus)
    chosen.check()
    return chosen
