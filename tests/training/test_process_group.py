"""One process, and two that are threads of this one; real processes are in test_ranks.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import torch.distributed
from torch.distributed import HashStore
from torch.distributed.distributed_c10d import ProcessGroupGloo

from soritune.errors import TrainingError
from soritune.training.process_group import (
    OtherProcessError,
    ProcessGroup,
    is_connection_error,
    process_group,
    report_once,
    timeout,
)

Result = TypeVar("Result")


class Connected(ProcessGroup):
    """One of two processes, connected through a store in memory."""

    def __init__(self, rank: int, store: HashStore) -> None:
        self.rank, self.size, self.alone, self._shared = rank, 2, False, 0
        self._store: Any = store
        self._group: Any = ProcessGroupGloo(store, rank, 2, timedelta(seconds=20))


@pytest.fixture
def together() -> Iterator[Callable[[Callable[[ProcessGroup], Result]], list[Future[Result]]]]:
    """together(action) runs it in two connected processes; gives both results or errors."""
    store = HashStore()
    with ThreadPoolExecutor(2) as pool:
        groups = [future.result() for future in [pool.submit(Connected, rank, store) for rank in (0, 1)]]

        def run(action: Callable[[ProcessGroup], Result]) -> list[Future[Result]]:
            futures = [pool.submit(action, group) for group in groups]
            for future in futures:
                future.exception(timeout=30)
            return futures

        yield run


Together = Callable[[Callable[[ProcessGroup], Any]], list[Future[Any]]]


def results(futures: list[Future[Any]]) -> list[Any]:
    return [future.result() for future in futures]


def test_one_process_exchanges_nothing() -> None:
    group = ProcessGroup()
    assert group.alone and (group.rank, group.size) == (0, 1)
    assert group.total([1, 2.5]) == [1.0, 2.5]
    assert group.on_main(lambda: 3) == group.on_main_briefly(lambda: 3) == group.from_main(lambda: 3) == 3
    assert group.gather([1, 2]) == [1, 2]
    group.refuse_differing("data", "x")
    group.leave()


def test_sums_are_over_all_processes(together: Together) -> None:
    assert results(together(lambda group: group.total([1.0, group.rank]))) == [[2.0, 1.0]] * 2
    assert results(together(lambda group: group.agree(None, [group.rank + 2.0]))) == [[5.0]] * 2


def test_action_runs_on_the_first_process(together: Together) -> None:
    assert results(together(lambda group: group.on_main(lambda: "done"))) == ["done", None]
    assert results(together(lambda group: group.on_main_briefly(lambda: "done"))) == ["done", None]
    assert results(together(lambda group: group.from_main(lambda: [group.rank, "x"]))) == [[0, "x"]] * 2


def test_items_are_gathered_in_the_order_of_ranks(together: Together) -> None:
    assert results(together(lambda group: group.gather([group.rank, "x"]))) == [[0, "x", 1, "x"], []]


def test_failure_of_one_process_is_reported_by_the_other(together: Together) -> None:
    def fail() -> None:
        raise ValueError("the disk is full")

    first, second = together(lambda group: group.on_main(fail))
    assert isinstance(first.exception(), ValueError)
    with pytest.raises(OtherProcessError, match="^process 0 of this run stopped: the disk is full$"):
        second.result()


def test_fault_of_the_second_process_stops_the_first(together: Together) -> None:
    def agree(group: ProcessGroup) -> list[float]:
        return group.agree(KeyError("row") if group.rank else None, [1.0])

    first, second = together(agree)
    assert isinstance(second.exception(), KeyError)
    with pytest.raises(OtherProcessError, match="^process 1 of this run stopped: 'row'$"):
        first.result()


def test_different_contents_are_refused_on_all_processes(together: Together) -> None:
    results(together(lambda group: group.refuse_differing("the data", "same")))
    for future in together(lambda group: group.refuse_differing("the data", f"seed {group.rank}")):
        with pytest.raises(TrainingError, match="^the data is not the same on all 2 processes of this run"):
            future.result()


def test_same_reason_is_reported_once(together: Together) -> None:
    reported: list[int] = []

    def stop(group: ProcessGroup) -> None:
        group.report_once(TrainingError("too many rows"), lambda: reported.append(group.rank))

    results(together(stop))
    assert reported == [0]


def test_lost_process_reports_nothing_after_an_announced_reason(together: Together) -> None:
    reported: list[int] = []
    announced = threading.Event()

    def stop(group: ProcessGroup) -> None:
        fault: TrainingError = TrainingError("the disk is full")
        if group.rank == 1:
            announced.wait(10)
            fault = OtherProcessError("another process of this run has stopped")
        else:
            group.announce(fault)
            announced.set()
        group.report_once(fault, lambda: reported.append(group.rank))

    results(together(stop))
    assert reported == [0]


def test_process_that_is_not_connected_reports_by_itself() -> None:
    process_group.cache_clear()
    reported: list[str] = []
    report_once(TrainingError("x"), lambda: reported.append("x"))
    assert reported == ["x"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer"), True),
        (RuntimeError("Connection reset by peer"), True),
        (torch.distributed.DistError("anything"), True),
        (RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"), False),
    ],
)
def test_connection_errors_are_distinguished_from_other_errors(error: RuntimeError, expected: bool) -> None:
    assert is_connection_error(error) is expected


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (
            "gloo: Timed out waiting 8000ms for recv operation",
            r"has not answered for 8 s \(SORITUNE_PROCESS_TI",
        ),
        ("gloo: Connection closed by peer", "has stopped; continue from the last checkpoint with --resume"),
    ],
)
def test_connection_error_is_explained(
    together: Together, monkeypatch: pytest.MonkeyPatch, text: str, state: str
) -> None:
    monkeypatch.setenv("SORITUNE_PROCESS_TIMEOUT_S", "8")

    def lose(group: ProcessGroup) -> None:
        with group.connection_errors_explained():
            raise RuntimeError(text)

    for future in together(lose):
        with pytest.raises(OtherProcessError, match=f"^another process of this run {state}"):
            future.result()


def test_other_errors_are_not_explained(together: Together) -> None:
    def fail(group: ProcessGroup) -> None:
        with group.connection_errors_explained():
            raise RuntimeError("shapes differ")

    for future in together(fail):
        with pytest.raises(RuntimeError, match="^shapes differ$"):
            future.result()


def test_timeout_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SORITUNE_PROCESS_TIMEOUT_S", raising=False)
    assert timeout() == timedelta(minutes=30)
    monkeypatch.setenv("SORITUNE_PROCESS_TIMEOUT_S", "0.5")
    assert timeout() == timedelta(milliseconds=500)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "1e99"])
def test_timeout_that_is_not_a_number_of_seconds_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SORITUNE_PROCESS_TIMEOUT_S", text)
    with pytest.raises(TrainingError, match=f"is '{text}'; it needs a number of seconds, e.g. 1800"):
        timeout()


@pytest.mark.slow
def test_processes_that_do_not_connect_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "1",
        "SORITUNE_PROCESS_TIMEOUT_S": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        OtherProcessError, match=r"^the 2 processes .* connect to 127.0.0.1:1 within 1 s \("
    ) as caught:
        ProcessGroup()
    assert "\n" not in str(caught.value)
