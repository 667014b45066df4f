"""The server as a process: the clients of docs/serving.md, signals, workers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import soundfile
import uvicorn
from tests.lean_environment import declared, make_environment
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_stream

from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest
from soritune.errors import MissingLibraryError, SorituneError
from soritune.extras import TORCH_STACK
from soritune.serving import server
from soritune.serving.app import open_app
from soritune.serving.settings import ServeSettings
from soritune.serving.speech_events import SpeechEvents

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "serving.md"
ADDRESS = "127.0.0.1:8000"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """`soritune serve` on a port of its own."""

    def __init__(self, log: Path, *arguments: str | Path, python: str | Path = sys.executable) -> None:
        self.port = free_port()
        self.log = log
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if python != sys.executable:
            environment = {
                name: value for name, value in environment.items() if not name.startswith("PYTHON")
            }
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [python, "-m", "soritune", "serve", *map(str, arguments), "--port", str(self.port)],
                stderr=file,
                env=environment,
            )
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx2.get(f"{self.url}/ping").status_code == 200:
                    break
            except httpx2.TransportError:
                assert self.process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def running(toy: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    log = tmp_path_factory.mktemp("log") / "log"
    process = Process(log, f"toy={toy['onnx-runtime']}", "--vad", "energy")
    yield process
    if process.process.poll() is None:
        process.process.kill()
        process.process.wait()


def block(language: str) -> str:
    """The first block of a language in the document."""
    match = re.search(
        rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert match is not None
    assert ADDRESS in match[1]
    return match[1]


def run_client(running: Process, clip: Path, command: list[str], text: str) -> str:
    """What a client of the document prints, beside the clip, with the address of the process."""
    return subprocess.run(
        command,
        input=text.replace(ADDRESS, f"127.0.0.1:{running.port}"),
        cwd=clip.parent,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def phones(running: Process, clip: Path) -> dict[str, Any]:
    with clip.open("rb") as file:
        answer = httpx2.post(f"{running.url}/v1/phonemes", files={"file": file})
    assert answer.status_code == 200
    return dict(answer.json())


@pytest.mark.slow(seconds=5)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_of_the_document(running: Process, clip: Path) -> None:
    out = run_client(running, clip, ["bash", "-e"], block("bash"))
    first, rest = out.split("}]}", 1)
    expected = phones(running, clip)
    assert json.loads(first + "}]}") == expected
    assert "00:00:0" in rest
    assert rest.count('"tasks"') == 1
    assert rest.count("--choose-thresholds") == 1  # the toy is not assessed with


@pytest.mark.slow(seconds=2)
def test_python_of_the_document(running: Process, clip: Path) -> None:
    lines = run_client(running, clip, [sys.executable, "-"], block("python")).splitlines()
    assert lines[0] == lines[-1] == phones(running, clip)["hangul"]


def node_options() -> list[str] | None:
    """How Node runs a module with WebSocket; None if there is no Node that can."""
    node = shutil.which("node")
    if node is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(version.strip().removeprefix("v").split(".")[0])
    if major < 20:
        return None
    flags = [] if major >= 22 else ["--experimental-websocket"]
    return [node, *flags, "--input-type=module"]


@pytest.mark.slow(seconds=2)
@pytest.mark.skipif(node_options() is None, reason="no Node with WebSocket is installed")
def test_javascript_of_the_document(running: Process, clip: Path) -> None:
    options = node_options()
    assert options is not None
    lines = run_client(running, clip, options, block("javascript")).splitlines()
    assert lines == [phones(running, clip)["hangul"]] * 2


def one_too_large(stream: Any) -> None:
    """Sends a message that the buffers of the connection hold, and waits for the reason."""
    stream.send(bytes(server.LARGEST_MESSAGE + 1))
    stream.recv(timeout=30)


def flood(stream: Any) -> None:
    """Sends messages of 1 MiB until the connection is closed."""
    for _ in range(100):
        stream.send(b"\0" * 2**20)
    stream.recv(timeout=30)


@pytest.mark.slow(seconds=2)
def test_flood_of_a_real_socket_is_cut_off(running: Process) -> None:
    """Messages beyond 256 KiB are not even read whole. To a client that still sends, a reset of the connection may come
    before the reason does."""
    for messages in (one_too_large, flood):
        with connect_stream(f"ws://127.0.0.1:{running.port}/v1/stream", max_size=None) as stream:
            stream.send("{}")
            assert json.loads(stream.recv())["event"] == "ready"
            with pytest.raises(ConnectionClosed) as caught:
                messages(stream)
        if messages is one_too_large:
            assert caught.value.rcvd is not None
        assert caught.value.rcvd is None or caught.value.rcvd.code == 1009
    assert httpx2.get(f"{running.url}/ping").status_code == 200


@pytest.mark.slow(seconds=4)
def test_client_that_sends_faster_than_samples_are_read_has_to_wait(
    toy: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """18 MB, while the detector of speech stands still: more than the buffers of both sockets and the queue hold.

    Without back-pressure they are sent in a fraction of a second. Compressed, as clients offer, silence would be a few
    kilobytes, which are read at once.
    """
    looked, go, look = threading.Event(), threading.Event(), SpeechEvents.look

    def waiting(self: SpeechEvents, *arguments: Any) -> Any:
        looked.set()
        assert go.wait(120)
        return look(self, *arguments)

    monkeypatch.setattr(SpeechEvents, "look", waiting)
    models = (f"toy={toy['onnx-runtime']}",)
    settings = ServeSettings(models=models, vad="energy", port=free_port(), max_seconds=600)
    running = uvicorn.Server(uvicorn.Config(open_app(settings), **server.uvicorn_options(settings)))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    wait_until(lambda: running.started)
    frames, sent = 140, [0]

    def send(stream: Any) -> None:
        for _ in range(frames):
            stream.send(b"\0" * 2**17)
            sent[0] += 1

    with connect_stream(f"ws://127.0.0.1:{settings.port}/v1/stream") as stream:
        stream.send('{"partials": false}')
        assert json.loads(stream.recv())["event"] == "ready"
        assert stream.protocol.extensions == []
        sender = threading.Thread(target=send, args=(stream,))
        sender.start()
        assert looked.wait(120)
        sender.join(3)
        assert sender.is_alive()
        assert sent[0] < frames
        go.set()
        sender.join(120)
        assert sent[0] == frames
    running.should_exit = True
    thread.join(60)


@pytest.mark.slow(seconds=2)
def test_truncated_upload_leaves_the_server_answering(running: Process, clip: Path) -> None:
    head = (
        "POST /v1/phonemes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", running.port)) as sender:
            sender.sendall(head.encode())
    assert phones(running, clip)["phones"]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(running: Process) -> bool:
    """Whether the server takes a new connection."""
    try:
        return httpx2.get(f"{running.url}/ping").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.slow(seconds=3)
def test_sigterm_finishes_requests_in_progress(running: Process, clip: Path) -> None:
    """The last test of this process: its body comes in two halves, with the signal between them."""
    body = clip.read_bytes()
    half = len(body) // 2
    head = (
        f"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: audio/wav\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with (
        connect_stream(f"ws://127.0.0.1:{running.port}/v1/stream") as stream,
        socket.create_connection(("127.0.0.1", running.port), timeout=60) as sender,
    ):
        stream.send("{}")
        assert json.loads(stream.recv())["event"] == "ready"
        sender.sendall(head.encode() + body[:half])
        wait_until(lambda: "in_progress 1.0" in httpx2.get(f"{running.url}/metrics").text)
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as caught:
            stream.recv(timeout=60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
        wait_until(lambda: not answers(running))
        sender.sendall(body[half:])
        answer = b""
        while b'"symbols"' not in answer:
            part = sender.recv(65536)
            assert part, answer
            answer += part
    assert answer.startswith(b"HTTP/1.1 200")
    assert running.process.wait(60) == 0
    lines = running.log.read_text(encoding="utf-8").splitlines()
    for_people = [line for line in lines if not line.startswith("{")]
    assert len(for_people) == 2
    assert for_people[0].startswith("opening toy=")
    assert for_people[1].startswith(f"ready on http://127.0.0.1:{running.port}")
    logged = [line for line in lines if line.startswith("{")]
    assert {"ready", "request", "stream", "stopped"} <= {json.loads(line)["event"] for line in logged}
    assert "127.0.0.1" not in "".join(logged)


@pytest.mark.slow(seconds=15)
@pytest.mark.parametrize("drain_seconds", [0, 25])
def test_sigterm_waits_for_a_running_assessment_no_longer_than_it_may(
    unseen: Manifest, tiny_ko: str, tmp_path: Path, drain_seconds: int
) -> None:
    """Two minutes of speech with their text, whose assessment takes several seconds."""
    rows = list(unseen.utterances()) * 2
    seconds = np.cumsum([row.duration_s for row in rows])
    rows = rows[: int(np.searchsorted(seconds, 118.0))]
    long = tmp_path / "long.wav"
    soundfile.write(long, np.concatenate([read_audio(unseen.audio_path(row)) for row in rows]), 16_000)
    process = Process(tmp_path / "log", tiny_ko, "--vad", "energy", "--drain-seconds", str(drain_seconds))
    answers: list[Any] = []

    def send() -> None:
        form = {"text": " ".join(str(row.text) for row in rows)}
        files = {"file": long.read_bytes()}
        try:
            answer = httpx2.post(f"{process.url}/v1/pronunciation", files=files, data=form, timeout=120)
            answers.append(answer.json() if answer.status_code == 200 else answer.status_code)
        except httpx2.TransportError as error:
            answers.append(error)

    client = threading.Thread(target=send)
    client.start()
    counted = 'soritune_batch_clips_count{model="soritune/tiny-ko"} 1.0'
    wait_until(lambda: counted in httpx2.get(f"{process.url}/metrics").text)
    assert process.stop() == 0
    client.join(30)
    if drain_seconds:
        assert answers[0]["counts"]["phones"] > 800
    else:
        assert answers == [503]
    logged = [
        json.loads(line) for line in process.log.read_text(encoding="utf-8").splitlines() if line[0] == "{"
    ]
    (request,) = [each for each in logged if each.get("route") == "/v1/pronunciation"]
    assert request["status"] == (200 if drain_seconds else 503)
    assert not [each for each in logged if "Traceback" in str(each)]


@pytest.mark.slow(seconds=5)
def test_declared_dependencies_suffice_to_serve_an_exported_model(
    toy: dict[str, Path], clip: Path, tmp_path: Path
) -> None:
    """An environment with the extras `onnx` and `serve` alone, which has no torch."""
    lean = make_environment(tmp_path / "venv", "onnx", "serve")
    process = Process(tmp_path / "log", toy["onnx-runtime"], python=lean.python)
    try:
        assert phones(process, clip)["phones"]
    finally:
        assert process.stop() == 0
    assert not declared("onnx", "serve").keys() & set(TORCH_STACK)


@pytest.mark.slow(seconds=8)
def test_worker_that_is_killed_is_replaced(toy: dict[str, Path], clip: Path, tmp_path: Path) -> None:
    process = Process(tmp_path / "log", toy["onnx-runtime"], "--vad", "energy", "--workers", "2")
    try:
        assert phones(process, clip)["phones"]
        deadline = time.monotonic() + 120
        while counted(process) < 1:  # a request is counted after its answer
            assert time.monotonic() < deadline
        children = Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children")
        workers = workers_of(children)
        os.kill(workers[0], signal.SIGKILL)
        while len(set(workers_of(children)) - {workers[0]}) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        done = 0
        while done < 4:  # connections that the killed worker had accepted fail; further ones do not
            try:
                assert phones(process, clip)["phones"]
                done += 1
            except httpx2.TransportError:
                assert time.monotonic() < deadline
        while counted(process) < 5:  # of all workers, the killed one too
            assert time.monotonic() < deadline
    finally:
        process.stop()
    assert process.process.returncode == 0
    lines = process.log.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("ready on ")] == [
        f"ready on http://127.0.0.1:{process.port}; Ctrl+C stops"
    ]


def counted(process: Process) -> float:
    """Answers of /v1/phonemes, as /metrics states them."""
    text = httpx2.get(f"{process.url}/metrics").text
    found = re.findall(r'soritune_requests_total\{route="/v1/phonemes",status="200"\} ([\d.]+)', text)
    return sum(map(float, found))


def workers_of(children: Path) -> list[int]:
    """Processes of the server; not the tracker of resources that Python starts beside them."""
    listed = [int(each) for each in children.read_text().split()]
    return [each for each in listed if b"resource_tracker" not in Path(f"/proc/{each}/cmdline").read_bytes()]


@pytest.mark.slow(seconds=5)
def test_worker_that_cannot_open_its_model_stops_the_server(toy: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(toy["onnx-runtime"], tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"no graph")
    command = ["serve", str(tmp_path / "broken"), "--workers", "2", "--port", str(free_port())]
    done = subprocess.run(
        [sys.executable, "-m", "soritune", *command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "error: " in done.stderr.splitlines()[-1]
    assert "model.onnx" in done.stderr.splitlines()[-1]
    assert "ready on" not in done.stderr


def test_taken_port_is_one_sentence(toy: dict[str, Path]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = ServeSettings(models=(f"toy={toy['onnx-runtime']}",), port=port, workers=2)
        with pytest.raises(SorituneError, match=f"127.0.0.1:{port} cannot be used"):
            server.run(settings)


def test_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingLibraryError, match=r"soritune\[serve\]"):
        server.run(ServeSettings())
