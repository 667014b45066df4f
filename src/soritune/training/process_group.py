"""How the processes of a run meet, agree, wait for the first one, and say once why they stop.

All of it runs on the host, over a group of its own: nothing waits for a GPU, and an exchange ends with an error on
every process as soon as one of them is gone. Which process this is: `processes.py`.
"""

from __future__ import annotations

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
from soritune.errors import TrainingError

Result = TypeVar("Result")

TIMEOUT = "SORITUNE_PROCESS_TIMEOUT_S"
DEFAULT_TIMEOUT_S = 1800.0
PATIENCE = timedelta(days=30)
"""How long the others wait while the first process prepares or judges. One that is gone is noticed at once all the
same; only a machine that vanishes without closing its connections is not."""
POLL_S = 0.05
STORE_S = 5.0
"""How long an answer of the store is waited for where a process stops; one on a machine that is gone gives none."""


class OtherProcessError(TrainingError):
    """Another process of the run failed, is gone or does not answer; this one has no fault of its own."""


def timeout() -> timedelta:
    """How long a process that does not answer is waited for, from the environment.

    Raises:
        TrainingError: it is no number of seconds.
    """
    text = os.environ.get(TIMEOUT, str(DEFAULT_TIMEOUT_S))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < PATIENCE.total_seconds():
        raise TrainingError(
            f"{TIMEOUT} is '{text}'; it takes a number of seconds, e.g. {DEFAULT_TIMEOUT_S:g}"
        )
    return timedelta(seconds=seconds)


@functools.cache
def process_group() -> ProcessGroup:
    """The processes of this run; the first call meets them."""
    return ProcessGroup()


def tell(fault: BaseException, say: Callable[[], None]) -> None:
    """Calls `say` on one of the processes that stop for the same reason; on each where they have not met."""
    if process_group.cache_info().currsize:
        process_group().tell(fault, say)
    else:
        say()


class ProcessGroup:
    """All processes of a run.

    Attributes:
        alone: there is only this one, and nothing is exchanged.

    Raises:
        TrainingError: they do not all come.
    """

    def __init__(self) -> None:
        self.rank, self.size = processes.rank(), processes.count()
        self.alone = self.size == 1
        self._told = 0
        if not self.alone:
            self._meet()

    def _meet(self) -> None:
        limit = timeout()
        try:
            meeting = rendezvous("env://", self.rank, self.size, timeout=limit)
            self._store = PrefixStore("soritune", next(meeting)[0])
            # Its stub lacks the exchanges it has.
            self._group: Any = ProcessGroupGloo(self._store, self.rank, self.size, limit)
        except (RuntimeError, ValueError) as error:
            place = f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"
            raise OtherProcessError(
                f"the {self.size} processes of this run did not all meet at {place} within "
                f"{limit.total_seconds():g} s ({_first_line(error)}); look at the output of the others, and see that "
                f"the machines reach each other (GLOO_SOCKET_IFNAME names the network to use)"
            ) from error

    def total(self, values: Sequence[float], *, patient: bool = False) -> list[float]:
        """Element-wise sums over all processes.

        Args:
            values: as many on every process.
            patient: wait for as long as it takes, answering to signals.

        Raises:
            OtherProcessError: a process is gone, or did not answer in time.
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
            BaseException: `fault`, where this process has one.
            OtherProcessError: where another one does.
        """
        if fault is not None:
            self.announce(fault)
        *sums, faults = self.total([*values, fault is not None], patient=patient)
        if fault is not None:
            raise fault
        if faults:
            raise OtherProcessError(
                self._announced() or "another process of this run failed; its message says why"
            )
        return sums

    def on_one(self, does_it: bool, action: Callable[[], Result], *, patient: bool = False) -> Result | None:
        """Runs `action` where `does_it` is true; a failure there stops all processes instead of hanging the others."""
        result: Result | None = None
        fault: BaseException | None = None
        if does_it:
            try:
                result = action()
            except BaseException as error:
                if self.alone:
                    raise
                fault = error
        self.agree(fault, patient=patient)
        return result

    def on_main(self, action: Callable[[], Result]) -> Result | None:
        """What only the first process does, however long it takes; None on the others."""
        # The others wait for the first; the first, when it is done, need not wait for them.
        return self.on_one(self.rank == 0, action, patient=self.rank != 0)

    def from_main(self, action: Callable[[], Result]) -> Result:
        """What the first process found out, on all of them; something JSON can hold."""
        if self.alone:
            return action()
        self._told += 1
        key = f"told/{self._told}"
        self.on_main(lambda: self._store.set(key, json.dumps(action())))
        with self.connection_errors_explained():
            result: Result = json.loads(self._store.get(key))
        return result

    def gather(self, items: list[Any]) -> list[Any]:
        """The items of all processes, in the order of their ranks, on the first one; what JSON can hold."""
        if self.alone:
            return items
        self._told += 1
        keys = [f"told/{self._told}/{rank}" for rank in range(self.size)]
        self._store.set(keys[self.rank], json.dumps(items))
        if self.rank:
            return []
        with self.connection_errors_explained():
            return [item for key in keys for item in json.loads(self._store.get(key))]

    def refuse_differing(self, what: str, content: str) -> None:
        """Raises TrainingError where `content` is not the same on all processes."""
        if self.alone:
            return
        # The sum of squares is size × square only where all are equal; 16 bits at a time, all of it is exact.
        digest = hashlib.blake2b(content.encode(), digest_size=8).digest()
        numbers = [float(int.from_bytes(digest[i : i + 2], "big")) for i in range(0, 8, 2)]
        values = [value for number in numbers for value in (number, number * number)]
        if self.total(values) != [value * self.size for value in values]:
            raise TrainingError(
                f"{what} is not the same on all {self.size} processes of this run; corpus and run folder must be on a "
                "file system that all machines share, and recipe and versions the same"
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
            if self.alone or not is_of_exchange(error):
                raise
            why = self._announced()
            late = "imed out" in str(error) or "imeout" in str(error)
            gone = f"has not answered for {timeout().total_seconds():g} s ({TIMEOUT})" if late else "is gone"
            raise OtherProcessError(
                why or f"another process of this run {gone}; go on from the last checkpoint with --resume"
            ) from error

    def announce(self, fault: BaseException) -> None:
        """Lets the others know why this process stops, before it does."""
        if self.alone or isinstance(fault, OtherProcessError):
            return
        sentence = f"process {self.rank} of this run stopped: {str(fault) or type(fault).__name__}"
        with contextlib.suppress(RuntimeError):  # the store may be gone with the process that held it
            _within(STORE_S, lambda: self._store.set("stopped", sentence))

    def leave(self) -> None:
        """Waits for all, then takes leave: whoever started the processes ends the others when one has left."""
        if self.alone:
            return
        self.total([0.0], patient=self.rank != 0)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()

    def _announced(self) -> str | None:
        """Why another process stopped, where one has said so."""

        def read() -> str | None:
            said = self._store.check(["stopped"])
            return bytes(self._store.get("stopped")).decode() if said else None

        try:
            return _within(STORE_S, read)
        except RuntimeError:
            return None

    def tell(self, fault: BaseException, say: Callable[[], None]) -> None:
        """Calls `say` on one of the processes that stop for the same reason: the first, where it is one of them.

        Those that only lost another one say nothing where that one has told its reason; they leave after it has, since
        whoever started the processes ends the rest when the first of them leaves.
        """
        if self.alone:
            say()
            return
        silent = threading.Lock()

        def say_it() -> None:
            if silent.acquire(blocking=False):
                say()

        try:
            _within(3 * STORE_S, lambda: self._tell(fault, say_it))
        except RuntimeError:
            say_it()

    def _tell(self, fault: BaseException, say: Callable[[], None]) -> None:
        if isinstance(fault, OtherProcessError):
            if self._store.check(["stopped"]):
                self._wait(["spoken"], 10.0)
                return
            sentence = "lost"
        else:
            self.announce(fault)
            sentence = hashlib.blake2b(str(fault).encode()).hexdigest()
        if self.rank != 0:
            self._wait([f"spoken/{sentence}"], 2.0)
        if self._store.add(f"says/{sentence}", 1) == 1:
            say()
        else:
            self._wait([f"spoken/{sentence}"], 2.0)
        for key in (f"spoken/{sentence}", "spoken"):
            self._store.set(key, "")

    def _wait(self, keys: list[str], seconds: float) -> None:
        with contextlib.suppress(RuntimeError):
            self._store.wait(keys, timedelta(seconds=seconds))


def is_of_exchange(error: RuntimeError) -> bool:
    """Whether torch says that an exchange between processes failed."""
    text = str(error)
    return isinstance(error, torch.distributed.DistError) or any(
        word in text
        for word in ("gloo", "NCCL", "Connection closed by peer", "Connection reset", "Broken pipe")
    )


def _within(seconds: float, action: Callable[[], Result]) -> Result:
    """What `action` gives, if it does so in time; its thread is left behind otherwise.

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


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
