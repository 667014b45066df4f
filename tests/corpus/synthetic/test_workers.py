"""Processes that make speech: interruption, and a process that the system ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from soritune.corpus.synthetic.workers import worker_pool
from soritune.errors import SorituneError

LIMIT_S = 120.0
"""Waiting longer is a failure."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sends signals to processes")


def touch(file: Path) -> int:
    file.touch()
    return os.getpid()


def work_until_released(folder: Path, number: int) -> int:
    """Announces that it has begun, waits for the file `released`, and leaves a file."""
    (folder / f"{number}.begun").touch()
    wait_for(folder / "released")
    (folder / f"{number}").touch()
    return number


def wait_for(file: Path) -> None:
    began = time.monotonic()
    while not file.exists():
        assert time.monotonic() - began < LIMIT_S, f"no {file.name}"
        time.sleep(0.01)


def end_process(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt_process(_: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return 7


def test_work_is_done_in_other_processes(tmp_path: Path) -> None:
    with worker_pool(2, "") as pool:
        processes = set(pool.map(touch, [tmp_path / "a", tmp_path / "b"]))
    assert os.getpid() not in processes and (tmp_path / "a").exists() and (tmp_path / "b").exists()


def test_process_ended_by_the_system_is_reported_with_what_is_kept() -> None:
    with (
        pytest.raises(SorituneError, match="ended from outside.*; nothing is lost$"),
        worker_pool(1, "nothing is lost") as pool,
    ):
        list(pool.map(end_process, [1]))


def interrupted_work(folder: Path) -> list[Future[int]]:
    """Twenty pieces of work that are interrupted during the first one, which ends when the last is cancelled."""
    futures: list[Future[int]] = []
    try:
        with worker_pool(1, "") as pool:
            futures += [pool.submit(work_until_released, folder, number) for number in range(20)]
            futures[-1].add_done_callback(lambda _: (folder / "released").touch())
            wait_for(folder / "0.begun")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        return futures


def test_interrupted_work_finishes_what_was_begun(tmp_path: Path) -> None:
    futures = interrupted_work(tmp_path)
    assert (tmp_path / "0").exists() and futures[-1].cancelled()
    assert not (tmp_path / "19.begun").exists()


def test_workers_ignore_interrupts_of_the_terminal() -> None:
    with worker_pool(1, "") as pool:
        assert pool.submit(interrupt_process, 0).result() == 7


def test_no_process_can_be_interrupted_from_the_moment_it_starts() -> None:
    """Each ignores Ctrl-C, or holds it back until it does: bit 1 of the masks in /proc is SIGINT."""
    with worker_pool(4, "") as pool:
        numbers = list(pool._processes)
        assert len(numbers) == 4
        for number in numbers:
            status = Path(f"/proc/{number}/status").read_text()
            masks = {line.split(":")[0]: line.split()[-1] for line in status.splitlines() if "Sig" in line}
            assert (int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)) & 0b10
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
