"""How fast `soritune serve` is beside `predict` on the same clips, and whether it stays up.

    OMP_NUM_THREADS=2 python benchmarks/serve_load.py CLIPS --clients 50 --seconds 60
    OMP_NUM_THREADS=2 python benchmarks/serve_load.py CLIPS --clients 50 --seconds 1200        # memory every minute
    OMP_NUM_THREADS=1 python benchmarks/serve_load.py CLIPS --workers 2 --kill                  # a worker dies half-way
    OMP_NUM_THREADS=1 python benchmarks/serve_load.py CLIPS --workers 2 --kill --under ray      # a replica of Ray dies

Each part is a process of its own, and the parts do not run at the same time; `--kill` has the last one alone:

    offline   `Predictor.predict` of all clips, three times; the fastest counts. Audio seconds per second
    lone      one clip at a time: milliseconds of `Predictor.predict` and of a request, medians over the clips
    load      clients that send a clip as soon as the one before is answered: milliseconds, audio seconds per second,
              errors, CPU time, and the lowest and the highest memory of the server in every minute

A request that fails is sent once more; failures of the first and of the second attempt are counted apart. `--check`
ends with 1 and a sentence per limit that is missed: 85 % of the offline rate, 10 ms for a lone request, no failed
request (with `--kill` none after its second attempt), and 5 % more memory in the later half of the minutes than in the
earlier half, without the first two minutes. Compared are medians of the lowest and of the highest memory of a minute:
the memory at one moment depends on the batch that is computed then.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from soritune.inference.json_values import without_nan

LEAST_SHARE, MOST_LONE_MS, MOST_GROWTH = 0.85, 10.0, 1.05
WARM_MINUTES = 2
SAMPLE_S = 0.25
SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
BOUNDARY = "soritune-load"


def clips_in(folder: Path, most: int) -> list[Path]:
    """The first audio files of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)[:most]
    if not files:
        sys.exit(f"{folder} has no {', '.join(SUFFIXES)}")
    return files


def offline(model: str, files: list[Path]) -> dict[str, float]:
    """Rate of all clips together, and time of each alone."""
    from soritune.inference.predictor import Predictor

    predictor = Predictor.load(model, device="cpu")
    rows = list(predictor.predict(files))  # warms up
    seconds = sum(row.get("duration_s", 0.0) for row in rows)
    rounds, cpu = [], time.process_time()
    for _ in range(3):
        start = time.perf_counter()
        list(predictor.predict(files))
        rounds.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu
    alone = []
    for file in files[:30]:
        start = time.perf_counter()
        list(predictor.predict([file]))
        alone.append(time.perf_counter() - start)
    return {
        "audio_s": seconds,
        "offline_rate": seconds / min(rounds),
        "offline_cpu_ms": 1000 * cpu / seconds / len(rounds),
        "lone_predictor_ms": 1000 * statistics.median(alone),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`soritune serve` on a free port."""

    def __init__(self, model: str, workers: int) -> None:
        self.port = free_port()
        command = ["serve", model, "--port", str(self.port), "--workers", str(workers), "--device", "cpu"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "soritune", *command, "--log-level", "WARNING", "--max-concurrent", "256"]
        )
        while True:
            try:
                if self.request("GET", "/ping")[0] == 200:
                    break
            except OSError:
                if self.process.poll() is not None:
                    sys.exit("the server did not start")
                time.sleep(0.2)

    def request(self, method: str, path: str) -> tuple[int, bytes]:
        """A request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def workers(self) -> list[psutil.Process]:
        """The processes that answer."""
        children = psutil.Process(self.process.pid).children()
        answering = [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
        return answering or [psutil.Process(self.process.pid)]

    def memory_mb(self) -> float:
        """Resident memory of all of them."""
        return sum(child.memory_info().rss for child in self.workers()) / 1e6

    def cpu_seconds(self) -> float:
        """CPU time of all of them so far."""
        times = [child.cpu_times() for child in self.workers()]
        return sum(each.user + each.system for each in times)

    def stop(self) -> int:
        """Ends the server as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


class RayServer(Server):
    """The same app under Ray Serve, in a Ray of its own; the workers are its replicas."""

    def __init__(self, model: str, workers: int) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray import serve

        from soritune.serving.ray import app

        self.port = free_port()
        ray.init("local", include_dashboard=False, log_to_driver=False, num_cpus=workers + 1)
        serve.start(http_options={"host": "127.0.0.1", "port": self.port})
        arguments = {"models": model, "replicas": workers, "device": "cpu", "max_concurrent": 256}
        serve.run(app({**arguments, "log_level": "WARNING"}), name="soritune", route_prefix="/")

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process().children(recursive=True)
        return [child for child in children if child.name().startswith("ray::ServeReplica:soritune")]

    def stop(self) -> int:
        import ray
        from ray import serve

        serve.shutdown()
        ray.shutdown()
        return 0


class Client:
    """Sends clips one after the other on one connection."""

    def __init__(self, port: int, bodies: list[bytes], seed: int) -> None:
        self.port, self.bodies = port, bodies
        self.draw = random.Random(seed)
        self.connection: http.client.HTTPConnection | None = None
        self.milliseconds: list[float] = []
        self.audio_s = 0.0
        self.failed_once = self.failed_twice = 0
        self.faults: set[str] = set()

    def attempt(self, body: bytes) -> bool:
        """Whether a request is answered by 200."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            self.connection.request(
                "POST",
                "/v1/phonemes",
                body,
                {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
            )
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            self.faults.add(type(error).__name__)
            return False
        if answer.status != 200:
            self.faults.add(str(answer.status))
            return False
        self.audio_s += json.loads(content)["duration_s"]
        return True

    def send(self) -> None:
        """One clip, with one more attempt."""
        body, start = self.draw.choice(self.bodies), time.perf_counter()
        if not self.attempt(body):
            self.failed_once += 1
            self.failed_twice += not self.attempt(body)
        self.milliseconds.append(1000 * (time.perf_counter() - start))

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            self.send()


def body_of(file: Path) -> bytes:
    """A form with the file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="clip"\r\n\r\n'
    return head.encode() + file.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def load(server: Server, bodies: list[bytes], options: argparse.Namespace) -> dict[str, Any]:
    """What many clients see."""
    clients = [Client(server.port, bodies, seed) for seed in range(options.clients)]
    memory: list[list[float]] = []
    cpu, own_cpu = server.cpu_seconds(), time.process_time()
    start = time.monotonic()
    until = start + options.seconds
    threads = [threading.Thread(target=client.run, args=(until,)) for client in clients]
    for thread in threads:
        thread.start()
    if options.kill:
        time.sleep(options.seconds / 2)
        os.kill(server.workers()[0].pid, signal.SIGKILL)
    while not options.kill and time.monotonic() < until:
        minute = int((time.monotonic() - start) // 60)
        if minute == len(memory):
            memory.append([])
        memory[minute].append(server.memory_mb())
        time.sleep(SAMPLE_S)
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    audio_s = sum(client.audio_s for client in clients)
    cpu = np.nan if options.kill else server.cpu_seconds() - cpu
    times = np.array([each for client in clients for each in client.milliseconds])
    return {
        "requests": len(times),
        "p50_ms": float(np.percentile(times, 50)),
        "p95_ms": float(np.percentile(times, 95)),
        "p99_ms": float(np.percentile(times, 99)),
        "served_rate": audio_s / seconds,
        "server_cpu_ms": 1000 * cpu / audio_s,
        "client_cpu_ms": 1000 * (time.process_time() - own_cpu) / audio_s,
        "failed_once": sum(client.failed_once for client in clients),
        "failed_twice": sum(client.failed_twice for client in clients),
        "faults": sorted(set().union(*(client.faults for client in clients))),
        "lowest_memory_mb": [round(min(minute), 1) for minute in memory],
        "highest_memory_mb": [round(max(minute), 1) for minute in memory],
    }


def growth(by_minute: Sequence[float]) -> float | None:
    """Median of the later half of the minutes relative to the earlier half; None for less than two minutes of each."""
    minutes = by_minute[WARM_MINUTES:]
    half = len(minutes) // 2
    if half < 2:
        return None
    return statistics.median(minutes[-half:]) / statistics.median(minutes[:half])


def misses(result: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """A sentence per limit that is missed."""
    found = []
    if result["failed_twice"] or (result["failed_once"] and not options.kill):
        found.append(f"failed requests: {result['failed_once']}, {result['failed_twice']} of them twice")
    if result.get("share_of_offline", 1) < LEAST_SHARE:
        found.append(f"share of the offline rate: {result['share_of_offline']:.3f}, below {LEAST_SHARE}")
    more = result.get("lone_request_ms", 0) - result.get("lone_predictor_ms", 0)
    if more > MOST_LONE_MS:
        found.append(f"a lone request takes {more:.1f} ms more than Predictor, above {MOST_LONE_MS:g}")
    for name in ("lowest", "highest"):
        if (result[f"{name}_memory_growth"] or 1) > MOST_GROWTH:
            grown = result[f"{name}_memory_growth"]
            found.append(f"the {name} memory of a minute grew to {grown:.3f} of the earlier minutes")
    if result["exit_code"]:
        found.append(f"the server ended with {result['exit_code']}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path, help="folder of audio")
    parser.add_argument("--model", default="soritune/tiny-ko")
    parser.add_argument("--most", type=int, default=200, help="clips that are used")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--under", choices=["uvicorn", "ray"], default="uvicorn", help="ray: with --workers replicas"
    )
    parser.add_argument("--kill", action="store_true", help="SIGKILL of a worker half-way; needs --workers 2")
    parser.add_argument("--check", action="store_true", help="end with 1 where a limit is missed")
    parser.add_argument("--json", type=Path, help="write the result here")
    parser.add_argument("--part", choices=["offline"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kill and options.workers < 2:
        parser.error("--kill needs --workers 2 or more")
    files = clips_in(options.clips, options.most)
    if options.part == "offline":
        print(json.dumps(offline(options.model, files)))
        return
    result: dict[str, Any] = {}
    if not options.kill:
        own = [sys.executable, __file__, str(options.clips), "--most", str(options.most)]
        command = [*own, "--model", options.model, "--part", "offline"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        result = json.loads(done.stdout.splitlines()[-1])
    bodies = [body_of(file) for file in files]
    server = (RayServer if options.under == "ray" else Server)(options.model, options.workers)
    try:
        lone = Client(server.port, bodies, 0)
        for body in bodies[:3]:
            lone.attempt(body)
        if not options.kill:
            alone = []
            for body in bodies[:30]:
                start = time.perf_counter()
                lone.attempt(body)
                alone.append(time.perf_counter() - start)
            result["lone_request_ms"] = 1000 * statistics.median(alone)
        result |= load(server, bodies, options)
    finally:
        code = server.stop()
    if not options.kill:
        result["share_of_offline"] = result["served_rate"] / result["offline_rate"]
    for name in ("lowest", "highest"):
        result[f"{name}_memory_growth"] = growth(result[f"{name}_memory_mb"])
    result["exit_code"] = code
    for name, value in result.items():
        print(f"{name:20} {value if not isinstance(value, float) else round(value, 3)}")
    missed = misses(result, options) if options.check else []
    for sentence in missed:
        print(sentence, file=sys.stderr)
    print(json.dumps(without_nan(result)))
    if options.json:
        options.json.write_text(json.dumps(without_nan(result), indent=1) + "\n", encoding="utf-8")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
