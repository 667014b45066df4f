"""Two machines: two network namespaces joined by a cable, one process on each, and one file system."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.training.launching import (
    BIN,
    LIMIT_S,
    OBSERVED,
    Ended,
    Toy,
    below,
    events,
    kill,
    toy_recipe,
    wait,
    weights_of,
)
from tests.training.parts import equal_states

from soritune.corpus.manifest import Manifest

pytestmark = pytest.mark.slow(seconds=10)
CABLE = "sori0"
"""Name of the network on both machines."""


@dataclass
class Node:
    """A network namespace."""

    name: str
    address: str

    def command(self, *words: str | Path) -> list[str]:
        """The command that runs `words` there."""
        return ["nsenter", f"--net=/var/run/netns/{self.name}", *map(str, words)]

    def run(self, *words: str) -> None:
        subprocess.run(self.command(*words), check=True, capture_output=True, text=True)


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    """Two namespaces that reach each other, and nothing else."""
    if not (shutil.which("ip") and shutil.which("nsenter")):
        pytest.skip("needs the programs ip (iproute2) and nsenter (util-linux)")
    both = tuple(Node(f"soritune-{os.getpid()}-{n}", f"10.77.0.{n}") for n in (1, 2))
    try:
        for node in both:
            made = subprocess.run(["ip", "netns", "add", node.name], capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"network namespaces cannot be made here: {made.stderr.strip()}")
        joined = ["ip", "link", "add", CABLE, "netns", both[0].name, "type", "veth"]
        made = subprocess.run(
            [*joined, "peer", "name", CABLE, "netns", both[1].name], capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"they cannot be joined here: {made.stderr.strip()}")
        for node in both:
            node.run("ip", "address", "add", f"{node.address}/24", "dev", CABLE)
            node.run("ip", "link", "set", "lo", "up")
            node.run("ip", "link", "set", CABLE, "up")
        yield both  # type: ignore[misc]
    finally:
        for node in both:
            subprocess.run(["ip", "netns", "delete", node.name], capture_output=True)


@pytest.fixture
def toy(tones: Manifest, tmp_path: Path) -> Toy:
    return Toy(tmp_path, toy_recipe(tones, max_steps=20, evaluate_every_steps=10))


def start(
    toy: Toy,
    nodes: tuple[Node, Node],
    words: list[str],
    sabotage: dict[str, object] | None = None,
    **more: str,
) -> list[subprocess.Popen[str]]:
    """Starts the same command on both; they connect to the first."""
    environment = toy.environment("seen-two", sabotage, GLOO_SOCKET_IFNAME=CABLE, **more)
    started = []
    for node in nodes:
        launcher = [BIN / "torchrun", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
        launcher += ["--rdzv-id", "toys", "--rdzv-endpoint", f"{nodes[0].address}:29500"]
        # Neither can resolve its own name to an address, as the machines of a cluster can.
        launcher += ["--local-addr", node.address, "--rdzv-conf", f"is_host={int(node is nodes[0])}"]
        started.append(toy.start_raw(node.command(*launcher, OBSERVED, *words), environment))
    return started


def both_end(started: list[subprocess.Popen[str]]) -> list[Ended]:
    return [wait(process) for process in started]


def poll(condition: Callable[[], bool], running: Sequence[subprocess.Popen[str]] = ()) -> None:
    """Waits for a condition, as long as these processes run."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < LIMIT_S
        assert all(process.poll() is None for process in running)
        time.sleep(0.2)


def test_two_nodes_train_the_weights_of_two_processes_of_one(toy: Toy, nodes: tuple[Node, Node]) -> None:
    here = toy.run(["run", "toy.yaml", "-o", "one-node"], seen="seen-one")
    assert here.code == 0, here.err
    ended = both_end(start(toy, nodes, ["run", "toy.yaml", "-o", "two-nodes"]))
    assert [done.code for done in ended] == [0, 0], [done.err[-3000:] for done in ended]
    assert sum(done.out.count("report: ") for done in ended) == 1
    expected = weights_of(toy.folder / "seen-one", 0)
    for rank in (0, 1):
        assert equal_states(weights_of(toy.folder / "seen-two", rank), expected)
    assert events(toy.folder / "two-nodes", "end")[0]["step"] == 20
    assert events(toy.folder / "two-nodes", "start")[0]["processes"] == 2


@pytest.mark.long
def test_lost_machine_ends_the_other_after_the_timeout(toy: Toy, nodes: tuple[Node, Node]) -> None:
    """The cable is cut: no connection closes, and only the timeout detects it."""
    gate = toy.folder / "gate"
    gate.mkdir()
    waiting = {"rank": "all", "what": "after_step", "done": 8, "timeout_s": 30, "folder": str(gate)}
    words = ["run", "toy.yaml", "-o", "cut", "train.log_every_steps=100", "train.evaluate_every_steps=100"]
    words += ["train.save_every_steps=5"]
    started = start(
        toy, nodes, words, waiting, SORITUNE_PROCESS_TIMEOUT_S="30", TORCH_ELASTIC_SHUTDOWN_TIMEOUT="5"
    )
    poll(lambda: len(list(gate.glob("waiting-*"))) == 2, started)
    nodes[1].run("ip", "link", "set", CABLE, "down")
    (gate / "continue").touch()
    poll(lambda: not any(alive(pid) for process in started for pid in below(process.pid)))
    # torchrun on the machine that was cut off asks the other one for minutes; our process has stopped.
    kill(started[1].pid, signal.SIGKILL)
    for done in both_end(started):
        assert done.code != 0
        assert len(done.errors) == 1 and "has not answered for 30 s" in done.errors[0], done.err[-3000:]
    assert list((toy.folder / "cut" / "checkpoints").glob("step-*"))


def alive(pid: int) -> bool:
    """Whether a process runs and is not a zombie."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
