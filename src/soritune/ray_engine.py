"""Ray as the engine of a verb: its jobs run on a cluster instead of in processes of this machine.

Ray places the jobs, waits for resources, and repeats the jobs of a node that is lost. A job writes a file, looks first
whether this file is there, and returns little, so that a repeated job costs nothing and the files alone state what is
done. Jobs without a state are tasks; jobs that need a model are calls of actors, which open it once. Ray is imported
when a job is started.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from soritune.errors import OutputError, SorituneError, reason_of
from soritune.extras import require
from soritune.processes import wait_until_visible

Job = TypeVar("Job")
Result = TypeVar("Result")
RETRIES = 5
"""How often Ray repeats a job whose process or node was lost."""
LIBRARIES = ("soritune", "numpy", "pyarrow", "soundfile", "soxr")
"""Packages that results depend on: all nodes have the same versions."""
_STORE_BYTES = 256 << 20
"""Memory for objects of a Ray that is started for one command; more of them go to the disk."""
_CONNECT_S = 10.0
_STARTS = 3


@dataclass(frozen=True)
class Origin:
    """What every node must have in common with the machine on which the command runs."""

    folder: Path
    """Working directory, where relative paths start."""
    paths: tuple[Path, ...]
    """Absolute paths that a node must see: the corpus, the output folder, models."""
    versions: tuple[str, ...]
    """Of `LIBRARIES`."""


@dataclass(frozen=True)
class RayEngine:
    """Where the jobs of a verb run."""

    address: str | None = None
    """HOST:PORT of a cluster, or auto for the one that this machine belongs to. None takes `RAY_ADDRESS`, or a Ray on
    this machine for the time of the command. A program that is connected already stays so."""
    actors: int | None = None
    """Most jobs at a time; None takes as many as the cluster has CPUs, or GPUs for actors that use one."""
    gpus: float | None = None
    """GPUs of an actor, such as 0.25; None is 1 if the cluster has GPUs."""

    def check(self) -> None:
        """Finds out early whether Ray is there.

        Raises:
            MissingLibraryError: it is not installed.
            SorituneError: no cluster answers at the address.
        """
        require("--engine ray", "ray")
        address = self._address
        if address is not None:
            refuse_unreachable(address)

    @property
    def _address(self) -> str | None:
        return self.address or os.environ.get("RAY_ADDRESS") or None

    def tasks(
        self,
        function: Callable[[Job], Result],
        jobs: Iterable[Job],
        *,
        paths: Sequence[Path] = (),
        in_order: bool = False,
    ) -> Iterator[Result]:
        """The results of `function` for the jobs, each in a task of one CPU, as they are done.

        Args:
            function: of a module of soritune, or a partial of one; its result is small.
            jobs: are taken as they are needed, so that few of them are in memory.
            paths: that every node must see.
            in_order: give the results in the order of the jobs.

        Raises:
            SorituneError: of a job, or Ray cannot be reached or gives a job up.
        """
        waiting = _started(jobs)
        if waiting is None:
            return
        with self._connected() as ray:
            refuse_unschedulable(ray.cluster_resources())
            task = ray.remote(num_cpus=1, max_retries=RETRIES)(_run)
            origin = _origin(paths)
            running: list[Any] = []
            while True:
                more = max(0, self._most_tasks(ray) - len(running))
                running += [task.remote(origin, function, job) for job in islice(waiting, more)]
                if not running:
                    return
                ready, _ = ray.wait(running[:1] if in_order else running, num_returns=1)
                running.remove(ready[0])
                with _sentences():
                    result = ray.get(ready[0])
                yield result

    def actors_of(
        self,
        opener: Callable[[], Callable[[Job], object]],
        jobs: Iterable[Job],
        *,
        paths: Sequence[Path] = (),
        uses_gpu: bool = True,
    ) -> Iterator[int]:
        """Runs jobs in a pool of actors of one CPU; gives the number of each job, from 0, when it is done.

        Args:
            opener: called once by every actor, as to load a model; gives the function of a job.
            jobs: are taken as they are needed, so that few of them are in memory.
            paths: that every node must see.
            uses_gpu: whether an actor takes GPUs if there are any.

        Raises:
            SorituneError: of a job, or Ray cannot be reached or gives a job up.
        """
        waiting = _started(enumerate(jobs))
        if waiting is None:
            return
        with self._connected() as ray:
            resources = ray.cluster_resources()
            gpus = 0.0 if not uses_gpu else self.gpus or (1.0 if resources.get("GPU") else 0.0)
            refuse_unschedulable(resources, gpus)
            fitting = resources["GPU"] / gpus if gpus else resources["CPU"]
            kind = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=-1, max_task_retries=RETRIES)(_Actor)
            origin, shared = _origin(paths), [ray.put(opener)]
            first = list(islice(waiting, self.actors or max(1, int(fitting))))
            waiting = chain(first, waiting)
            # An actor that has opened its models gets a job, and then one job after the other: none waits for an actor
            # for which the cluster has no room. Without jobs, an actor ends, and what it used is free for others.
            actors = [kind.remote(origin, shared) for _ in first]
            running = {actor.open.remote(): actor for actor in actors}
            del actors
            unfinished = 0
            while running:
                ready, _ = ray.wait(list(running), num_returns=1)
                actor = running.pop(ready[0])
                with _sentences():
                    number = ray.get(ready[0])
                following = next(waiting, None)
                if following is not None:
                    running[actor.run.remote(*following)] = actor
                    unfinished += 1
                del actor
                if number is not None:
                    unfinished -= 1
                    yield number
                if following is None and not unfinished:
                    return

    def _most_tasks(self, ray: Any) -> int:
        """Tasks that Ray is given at a time; it starts as many of them as there are CPUs."""
        return self.actors or 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        self.check()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray = _ray()
        if ray.is_initialized():
            yield ray
            return
        _start(ray, self._address)
        try:
            # Ray prints what happens to nodes on standard output, which belongs to the result of the command.
            with redirect_stdout(sys.stderr):
                yield ray
        finally:
            ray.shutdown()


def _started(jobs: Iterable[Job]) -> Iterator[Job] | None:
    """The jobs as a stream, of which the first one is taken at once; None for no jobs, which need no Ray."""
    stream = iter(jobs)
    for first in stream:
        return chain([first], stream)
    return None


def _start(ray: Any, address: str | None) -> None:
    """Connects to a cluster, or starts a Ray on this machine, which is tried again: it has 30 s to start its processes.

    Raises:
        SorituneError: it cannot be used.
    """
    local = {} if address else {"include_dashboard": False, "object_store_memory": _STORE_BYTES}
    for attempt in range(1, 2 if address else _STARTS + 1):
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
        except Exception as error:  # Ray raises `Exception` itself where a process does not start in time
            ray.shutdown()
            if address:
                raise SorituneError(
                    f"the Ray cluster at {address} cannot be used ({reason_of(error)}); check --ray-address, and "
                    "that all machines have the same versions of Python and Ray"
                ) from error
            if attempt == _STARTS:
                raise SorituneError(
                    f"Ray does not start on this machine ({reason_of(error)}); run the command again, or without "
                    "--engine ray"
                ) from error
        else:
            return


def refuse_unreachable(address: str) -> None:
    """Refuses an address of another form, or one at which nothing answers.

    Raises:
        SorituneError: so it is.
    """
    if address in ("auto", "local"):
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not (colon and host and port.isascii() and port.isdigit()):
        raise SorituneError(
            f"--ray-address expects HOST:PORT, such as 10.0.0.1:6379, or auto, got '{address}'; run the command on a "
            "machine of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise SorituneError(
            f"no Ray cluster answers at {address} ({reason_of(error)}); check --ray-address, "
            "or start one with: ray start --head --port 6379"
        ) from error


def refuse_unschedulable(resources: Mapping[str, float], gpus: float = 0.0) -> None:
    """Refuses a cluster on which no job could ever start: Ray would wait for a machine that has what is missing.

    Args:
        resources: of the cluster, as Ray names them.
        gpus: of a job, which has one CPU.

    Raises:
        SorituneError: it has no CPU, or fewer GPUs.
    """
    if resources.get("CPU", 0.0) < 1:
        raise SorituneError(
            "the cluster has no CPU for jobs; start Ray on a machine with --num-cpus 1 or more"
        )
    if resources.get("GPU", 0.0) < gpus:
        raise SorituneError(
            f"a job needs {gpus:g} GPUs, and the cluster has {resources.get('GPU', 0.0):g}; give fewer "
            "--gpus-per-actor, or --device cpu"
        )


def _origin(paths: Sequence[Path]) -> Origin:
    # A path into an archive or of a URL exists nowhere.
    return Origin(Path.cwd(), tuple(path.absolute() for path in paths if path.exists()), _versions())


def _versions() -> tuple[str, ...]:
    return tuple(importlib.metadata.version(name) for name in LIBRARIES)


def enter(origin: Origin) -> None:
    """Prepares a process of Ray for a job: the working directory, and what the node must have.

    Raises:
        SorituneError: it has other versions of the libraries.
        OutputError: it does not see a path.
    """
    _check_node(origin)
    os.chdir(origin.folder)


@cache
def _check_node(origin: Origin) -> None:
    here = socket.gethostname()
    for name, there, version in zip(LIBRARIES, origin.versions, _versions(), strict=True):
        if there != version:
            raise SorituneError(
                f"the node {here} has {name} {version}, and the command runs with {there}; install the same versions "
                "on all machines, since results depend on them"
            )
    for path in (origin.folder, *origin.paths):
        try:
            wait_until_visible(path)
        except OutputError as error:
            raise OutputError(
                f"the node {here} does not see {path}",
                "the working directory, corpus, models and output must be on a file system that all machines share, "
                "at the same path",
            ) from error


def _run(origin: Origin, function: Callable[[Job], Result], job: Job) -> Result:
    """A task."""
    enter(origin)
    return function(job)


class _Actor:
    """Opens what its jobs need, once, and runs them."""

    def __init__(self, origin: Origin, opener: Sequence[Any]) -> None:
        self._origin, self._opener = origin, opener
        self._function: Callable[[Any], object] | None = None

    def open(self) -> None:
        """Opens what the jobs need; an actor that Ray has started again does so at its next job."""
        enter(self._origin)
        self._function = self._function or _ray().get(self._opener[0])()

    def run(self, number: int, job: object) -> int:
        """Runs a job and gives its number back."""
        self.open()
        assert self._function is not None
        self._function(job)
        return number


@contextmanager
def _sentences() -> Iterator[None]:
    """Replaces errors of Ray by those of the jobs, or by one sentence.

    Raises:
        SorituneError: a job failed in an expected way, or could not be done.
    """
    ray = _ray()
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SorituneError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise SorituneError(
            f"Ray gave up a job whose process or node was lost {RETRIES + 1} times ({reason_of(error)}); what is "
            "done is kept, and the same command resumes; if memory ran out, give fewer --actors"
        ) from error


def _ray() -> Any:
    return importlib.import_module("ray")


def finished_file(path: Path) -> Path:
    """The path of a file that a job has written, when it is visible here.

    Raises:
        OutputError: it does not appear, as if the folder is not on a file system that all machines share.
    """
    return wait_until_visible(path, writer="another machine", folder="the output folder")
