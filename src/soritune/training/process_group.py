"""How the processes of a run connect, agree, wait for the first one, and report once why they stop.

All of it runs on the host, over a separate process group: nothing waits for a GPU, and an exchange ends with an error
on every process as soon as one of them has stopped. Which process this is: `processes.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch.distributed import AllreduceOptions
from torch.distributed.distributed_c10d import PrefixStore, ProcessGroupGloo
from torch.distributed.rendezvous import rendezvous

from soritune import processes
from soritune.errors import TrainingError, reason_of

Result = TypeVar("Result")

TIMEOUT = "SORITUNE_PROCESS_TIMEOUT_S"
DEFAULT_TIMEOUT_S = 1800.0
PATIENCE = timedelta(days=30)
"""How long the others wait while the first process prepares or evaluates. A process that stops is noticed at once
anyway, unless its machine disappears without closing its connections."""
POLL_S = 0.05
STORE_S = 5.0
"""How long a process that stops waits for an answer of the store, whose machine may have disappeared."""


class OtherProcessError(TrainingError):
    """Another process of the run failed, has stopped or does not answer; this one has no fault of its own."""


def timeout() -> timedelta:
    """How long to wait for a process that does not answer, from the environment.

    Raises:
        TrainingError: the variable is not a number of seconds.
    """
    text = os.environ.get(TIMEOUT, str(DEFAULT_TIMEOUT_S))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < PATIENCE.total_seconds():
        raise TrainingError(
            f"{TIMEOUT} is '{text}'; it needs a number of seconds, e.g. {DEFAULT_TIMEOUT_S:g}"
        )
    return timedelta(seconds=seconds)


@functools.cache
def process_group() -> ProcessGroup:
    """The processes of this run; the first call connects them."""
    return ProcessGroup()


def report_once(fault: BaseException, report: Callable[[], None]) -> None:
    """Calls `report` on one of the processes that stop for the same reason; on each if they are not connected."""
    if process_group.cache_info().currsize:
        process_group().report_once(fault, report)
    else:
        report()


class ProcessGroup:
    """All processes of a run.

    Attributes:
        alone: there is only this one, and nothing is exchanged.

    Raises:
        TrainingError: not all of them connect.
    """

    def __init__(self) -> None:
        self.rank, self.size = processes.rank(), processes.count()
        self.alone = self.size == 1
        self._shared = 0
        if not self.alone:
            self._connect()

    def _connect(self) -> None:
        limit = timeout()
        try:
            meeting = rendezvous("env://", self.rank, self.size, timeout=limit)
            self._store = PrefixStore("soritune", next(meeting)[0])
            # `Any`: its type stub lacks the exchanges.
            self._group: Any = ProcessGroupGloo(self._store, self.rank, self.size, limit)
            atexit.register(self._end_threads)
        except (RuntimeError, ValueError) as error:
            address = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
            raise OtherProcessError(
                f"the {self.size} processes of this run did not all connect to {address} within "
                f"{limit.total_seconds():g} s ({reason_of(error)}); look at the output of the others, and check "
                f"that the machines reach each other (GLOO_SOCKET_IFNAME names the network to use)"
            ) from error

    def total(self, values: Sequence[float], *, patient: bool = False) -> list[float]:
        """Element-wise sums over all processes.

        Args:
            values: the same number of them on every process.
            patient: wait for as long as it takes, responding to signals.

        Raises:
            OtherProcessError: a process has stopped, or did not answer in time.
        """
        if self.alone:
            return [float(value) for value in values]
        tensor = torch.tensor(list(values), dtype=torch.float64)
        with self.connection_errors_explained():
            options = AllreduceOptions()
            options.timeout = PATIENCE if patient else timeout()
            work = self._group.allreduce([tensor], options)
            while patient and not work.is_completed():
                time.sleep(POLL_S)
            work.wait()
        return list(tensor.tolist())

    def agree(
        self, fault: BaseException | None, values: Sequence[float] = (), *, patient: bool = False
    ) -> list[float]:
        """Sums of `values`, unless a process has a fault.

        Raises:
            BaseException: `fault`, if this process has one.
            OtherProcessError: another process has one.
        """
        if fault is not None:
            self.announce(fault)
        *sums, faults = self.total([*values, fault is not None], patient=patient)
        if fault is not None:
            raise fault
        if faults:
            raise OtherProcessError(
                self._announced() or "another process of this run failed; its message gives the reason"
            )
        return sums

    def on_one(self, is_this: bool, action: Callable[[], Result], *, patient: bool = False) -> Result | None:
        """Runs `action` on the process whose `is_this` is true; its failure stops all processes instead of hanging
        the others."""
        result: Result | None = None
        fault: BaseException | None = None
        if is_this:
            try:
                result = action()
            except BaseException as error:
                if self.alone:
                    raise
                fault = error
        self.agree(fault, patient=patient)
        return result

    def on_main(self, action: Callable[[], Result]) -> Result | None:
        """Runs `action` on the first process only, however long it takes; returns None on the others."""
        # The others wait for the first; the first, when it is done, need not wait for them.
        return self.on_one(self.rank == 0, action, patient=self.rank != 0)

    def on_main_briefly(self, action: Callable[[], Result]) -> Result | None:
        """As `on_main`, but the others wait no longer than the timeout: for writing a file, or a line of the log."""
        return self.on_one(self.rank == 0, action)

    def from_main(self, action: Callable[[], Result]) -> Result:
        """Runs `action` on the first process and returns its result, which must be valid JSON, on all of them."""
        if self.alone:
            return action()
        self._shared += 1
        key = f"shared/{self._shared}"
        self.on_main(lambda: self._store.set(key, json.dumps(action())))
        with self.connection_errors_explained():
            result: Result = json.loads(self._store.get(key))
        return result

    def gather(self, items: list[Any]) -> list[Any]:
        """The items of all processes, which must be valid JSON, by rank on the first process; [] on the others."""
        if self.alone:
            return items
        self._shared += 1
        keys = [f"shared/{self._shared}/{rank}" for rank in range(self.size)]
        self._store.set(keys[self.rank], json.dumps(items))
        if self.rank:
            return []
        with self.connection_errors_explained():
            return [item for key in keys for item in json.loads(self._store.get(key))]

    def refuse_differing(self, what: str, content: str) -> None:
        """Raises TrainingError if `content` is not the same on all processes."""
        if self.alone:
            return
        # The sum of squares is size × square only where all are equal; 16 bits at a time, all of it is exact.
        digest = hashlib.blake2b(content.encode(), digest_size=8).digest()
        numbers = [float(int.from_bytes(digest[i : i + 2], "big")) for i in range(0, 8, 2)]
        values = [value for number in numbers for value in (number, number * number)]
        if self.total(values) != [value * self.size for value in values]:
            raise TrainingError(
                f"{what} is not the same on all {self.size} processes of this run; corpus and run folder must be on a "
                "file system that all machines share, and recipe and versions must be the same"
            )

    @contextmanager
    def connection_errors_explained(self) -> Iterator[None]:
        """Turns the failure of an exchange into a sentence.

        Raises:
            OtherProcessError: instead of the errors of torch's exchanges.
        """
        try:
            yield
        except RuntimeError as error:
            if self.alone or not is_connection_error(error):
                raise
            # Gloo raises the same RuntimeError for a timeout and for a closed connection: only its text differs.
            text = str(error)
            timed_out = "imed out" in text or "imeout" in text
            seconds = timeout().total_seconds()
            state = f"has not answered for {seconds:g} s ({TIMEOUT})" if timed_out else "has stopped"
            raise OtherProcessError(
                self._announced()
                or f"another process of this run {state}; continue from the last checkpoint with --resume"
            ) from error

    def announce(self, fault: BaseException) -> None:
        """Stores why this process stops, for the others, before it stops."""
        if self.alone or isinstance(fault, OtherProcessError):
            return
        message = f"process {self.rank} of this run stopped: {str(fault) or type(fault).__name__}"
        with contextlib.suppress(RuntimeError):  # the store ends with the process that holds it
            _within(STORE_S, lambda: self._store.set("stopped", message))

    def leave(self) -> None:
        """Waits for all processes before this one exits: the launcher ends the others when one has exited."""
        if self.alone:
            return
        self.total([0.0], patient=self.rank != 0)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def _end_threads(self) -> None:
        """Ends the threads of the exchanges while the interpreter still runs.

        A thread releases the tensors of its last exchange after the exchange has returned. If the interpreter is
        finalizing by then, taking its lock ends the thread inside C++, and the process aborts with signal 6.
        """

        def release() -> None:
            del self._group  # joins the threads
            if torch.distributed.is_initialized() and torch.distributed.get_backend() == "gloo":
                torch.distributed.destroy_process_group()

        # An exchange that still waits for a process that does not answer cannot be ended.
        with contextlib.suppress(RuntimeError):
            _within(STORE_S, release)

    def _announced(self) -> str | None:
        """Why another process stopped, if one has announced it."""

        def read() -> str | None:
            is_announced = self._store.check(["stopped"])
            return bytes(self._store.get("stopped")).decode() if is_announced else None

        try:
            return _within(STORE_S, read)
        except RuntimeError:
            return None

    def report_once(self, fault: BaseException, report: Callable[[], None]) -> None:
        """Calls `report` on one of the processes that stop for the same reason: the first, if it is one of them.

        A process that only lost another one reports nothing if that one has announced its reason. It exits after the
        report, since the launcher ends the rest when the first of them exits.
        """
        if self.alone:
            report()
            return
        lock = threading.Lock()

        def report_here() -> None:
            if lock.acquire(blocking=False):
                report()

        try:
            _within(3 * STORE_S, lambda: self._elect_reporter(fault, report_here))
        except RuntimeError:
            report_here()

    def _elect_reporter(self, fault: BaseException, report: Callable[[], None]) -> None:
        if isinstance(fault, OtherProcessError):
            if self._store.check(["stopped"]):
                self._wait(["reported"], 10.0)
                return
            reason = "lost"
        else:
            self.announce(fault)
            # Errors cannot be compared across processes: those with the same message have the same reason.
            reason = hashlib.blake2b(str(fault).encode()).hexdigest()
        if self.rank != 0:
            self._wait([f"reported/{reason}"], 2.0)
        if self._store.add(f"reports/{reason}", 1) == 1:
            report()
        else:
            self._wait([f"reported/{reason}"], 2.0)
        for key in (f"reported/{reason}", "reported"):
            self._store.set(key, "")

    def _wait(self, keys: list[str], seconds: float) -> None:
        with contextlib.suppress(RuntimeError):
            self._store.wait(keys, timedelta(seconds=seconds))


def is_connection_error(error: RuntimeError) -> bool:
    """Whether torch reports that an exchange between processes failed."""
    # Gloo raises a plain RuntimeError: its text is all there is to go by.
    text = str(error)
    return isinstance(error, torch.distributed.DistError) or any(
        phrase in text
        for phrase in ("gloo", "NCCL", "Connection closed by peer", "Connection reset", "Broken pipe")
    )


def _within(seconds: float, action: Callable[[], Result]) -> Result:
    """The result of `action`, if it ends in time; otherwise its thread is abandoned.

    Raises:
        RuntimeError: it failed, or took longer.
    """
    done: list[Result] = []
    failed: list[RuntimeError] = []

    def act() -> None:
        try:
            done.append(action())
        except RuntimeError as error:
            failed.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise failed[0] if failed else RuntimeError(f"no answer within {seconds:g} s")
    return done[0]
