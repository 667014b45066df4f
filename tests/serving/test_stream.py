"""Streams: events, partial results, and clients that flood, leave or send nonsense. Finals: `test_routes.py`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import soundfile
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.serving.conftest import Connect, speechlike
from tests.serving.test_gate import Slow

from soritune.serving import stream
from soritune.serving.logs import FIELDS


def int16(seconds: float, rate: int = 16_000) -> bytes:
    return (speechlike(seconds, rate) * 32767).astype("<i2").tobytes()


def messages(socket: Any) -> list[dict[str, Any]]:
    """All messages up to the last one."""
    listed = [socket.receive_json()]
    while listed[-1]["event"] not in ("final", "error"):
        listed.append(socket.receive_json())
    return listed


def closed(socket: Any) -> int:
    """The code with which the server closes."""
    with pytest.raises(WebSocketDisconnect) as caught:
        socket.receive_json()
    return caught.value.code


def refusal(client: TestClient, *sent: Any) -> tuple[str, int]:
    """The error and the code after some messages: bytes, texts or JSON."""
    with client.websocket_connect("/v1/stream") as socket:
        for message in sent:
            if isinstance(message, bytes):
                socket.send_bytes(message)
            elif isinstance(message, str):
                socket.send_text(message)
            else:
                socket.send_json(message)
        last = messages(socket)[-1]
        return last["code"], closed(socket)


def test_speech_is_reported_and_partial_results_grow(connect: Connect) -> None:
    client = connect(partial_every_s=0.5)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({})
        assert socket.receive_json() == {
            "event": "ready",
            "model": "toy",
            "sample_rate": 16_000,
            "max_seconds": 600.0,
            "partial_every_s": 0.5,
            "partial_window_s": 10.0,
        }
        data, received = int16(4.0), []
        for start in range(0, len(data), 16_000):  # half a second
            socket.send_bytes(data[start : start + 16_000])
            if start in (48_000, 96_000):  # wait, so that a partial result is not skipped
                while not received or received[-1]["event"] != "partial":
                    received.append(socket.receive_json())
                received.append({"event": "seen"})
        socket.send_json({"event": "end"})
        received += messages(socket)
        assert closed(socket) == 1000
    names = [message["event"] for message in received]
    assert names[0] == "speech_start"
    assert names[-1] == "final"
    partials = [message for message in received if message["event"] == "partial"]
    assert len(partials) >= 2
    ends = [partial["end_s"] for partial in partials]
    assert ends == sorted(set(ends))
    assert all(partial["start_s"] == 0 and partial["text_kind"] == "as_pronounced" for partial in partials)


def test_partial_result_of_the_whole_stream_is_the_answer_for_it(connect: Connect) -> None:
    client = connect(partial_every_s=2.0, vad="off")
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({})
        socket.send_bytes(int16(2.0))
        ready, partial = socket.receive_json(), socket.receive_json()
        socket.send_json({"event": "end"})
        final = socket.receive_json()
    assert (ready["event"], partial["event"], final["event"]) == ("ready", "partial", "final")
    assert partial["text"] == final["answer"]["tasks"]["phoneme"]["hangul"]
    assert partial["times"] == final["answer"]["symbols"]["phoneme"]


def test_window_of_partial_results_is_bounded_and_times_are_those_of_the_stream(connect: Connect) -> None:
    client = connect(partial_every_s=3.0, partial_window_s=1.0, vad="off")
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({})
        socket.send_bytes(int16(3.0))
        socket.receive_json()
        partial = socket.receive_json()
    assert (partial["start_s"], partial["end_s"]) == (2.0, 3.0)
    assert partial["times"]
    assert all(2.0 <= each["start_s"] <= 3.0 for each in partial["times"])


def test_partial_result_that_is_due_while_another_is_computed_is_skipped(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six are due, and the first is held back: no queue grows, and the final answer comes."""
    client = connect(partial_every_s=0.5, vad="off", max_streams=3)
    predictor = client.app.state.models.named(None).predictor  # type: ignore[attr-defined]
    go, run = threading.Event(), predictor.run

    def waiting(*arguments: Any) -> Any:
        assert go.wait(60)
        return run(*arguments)

    monkeypatch.setattr(predictor, "run", waiting)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({})
        for _ in range(6):
            socket.send_bytes(int16(0.5))
        while 'outcome="skipped"} 5.0' not in client.get("/metrics").text:
            time.sleep(0.02)
        go.set()
        socket.send_json({"event": "end"})
        received = messages(socket)
    assert len([message for message in received if message["event"] == "partial"]) <= 1
    assert received[-1]["answer"]["duration_s"] == 3.0


def test_client_that_reads_nothing_is_given_up(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A message that cannot be sent in time ends the stream; the place is free again."""
    client = connect(max_streams=1, idle_seconds=20)
    monkeypatch.setattr(stream, "SEND_SECONDS", 0.2)
    send = WebSocket.send_json

    async def blocked(self: WebSocket, content: Any, mode: str = "text") -> None:
        if content["event"] != "ready":
            await asyncio.sleep(60)
        await send(self, content, mode)

    monkeypatch.setattr(WebSocket, "send_json", blocked)
    with (
        caplog.at_level(logging.INFO, "soritune.serving"),
        client.websocket_connect("/v1/stream") as socket,
    ):
        socket.send_json({})
        assert socket.receive_json()["event"] == "ready"
        socket.send_bytes(int16(2.0))
        deadline = time.monotonic() + 60
        while not (ends := [record for record in caplog.records if record.getMessage() == "stream"]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert [getattr(record, FIELDS)["outcome"] for record in ends] == ["unread"]
    monkeypatch.undo()
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({})
        assert socket.receive_json()["event"] == "ready"


def test_partial_results_can_be_left_out(connect: Connect) -> None:
    with connect(vad="off").websocket_connect("/v1/stream") as socket:
        socket.send_json({"partials": False})
        socket.send_bytes(int16(2.0))
        socket.send_json({"event": "end"})
        assert [message["event"] for message in messages(socket)] == ["ready", "final"]


def test_other_rates_have_the_answer_of_the_file(connect: Connect, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", speechlike(2.0, 48_000), 48_000, subtype="PCM_16")
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    client = connect()
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"sample_rate": 48_000, "partials": False})
        data = samples.astype("<i2").tobytes()
        for start in range(0, len(data), 96_000):
            socket.send_bytes(data[start : start + 96_000])
        socket.send_json({"event": "end"})
        final = messages(socket)[-1]
    files = {"files": (tmp_path / "a.wav").read_bytes()}
    assert client.post("/v1/batch", files=files).json()["answers"] == [final["answer"]]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([b"\0\0"], "config"),
        (["{"], "json"),
        (["[" * 4000], "json"),
        (["x" * 5000], "text-too-large"),
        (["[]"], "config"),
        ([{"sample_rate": 1}], "config"),
        ([{"sample_rate": "16000; drop"}], "config"),
        ([{"unknown": 1}], "config"),
        ([{"model": "/etc/passwd"}], "model_not_found"),
        ([{}, b"\0"], "frame"),
        ([{}, b"\0" * (2**18 + 2)], "frame"),
        ([{}, {"event": "begin"}], "event"),
        ([{}, "nothing"], "json"),
        ([{}, {"event": "end"}], "audio-unusable"),  # no samples
        ([{}, *[{"event": "ping"}] * 65], "too-many-texts"),
    ],
)
def test_hostile_stream_is_closed_with_a_reason(connect: Connect, sent: list[Any], code: str) -> None:
    error, closing = refusal(connect(), *sent)
    assert error == code
    assert closing in (1008, 1009)


def test_flood_beyond_the_longest_recording_is_cut(connect: Connect) -> None:
    client = connect(max_seconds=5)
    frame = b"\0" * 64_000  # 2 s
    assert refusal(client, {}, frame, frame, frame) == ("audio-too-long", 1009)


def test_silent_client_is_closed(connect: Connect) -> None:
    assert refusal(connect(idle_seconds=0.2), {})[0] == "idle"


def test_stream_beyond_the_limit_is_refused_until_one_ends(connect: Connect) -> None:
    client = connect(max_streams=1)
    with client.websocket_connect("/v1/stream") as first:
        first.send_json({})
        assert first.receive_json()["event"] == "ready"
        assert refusal(client) == ("busy", 1013)
        first.send_bytes(int16(1.0))
        first.send_json({"event": "end"})
        assert messages(first)[-1]["event"] == "final"
        closed(first)
    with client.websocket_connect("/v1/stream") as again:
        again.send_json({})
        assert again.receive_json()["event"] == "ready"


def test_page_of_another_server_is_refused(connect: Connect) -> None:
    """Browsers send cookies and reach local servers from any page; only the origin distinguishes it."""
    client = connect()
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/v1/stream", headers={"Origin": "https://evil.example"}),
    ):
        pass
    with client.websocket_connect("/v1/stream", headers={"Origin": "http://testserver"}) as socket:
        socket.send_json({})
        assert socket.receive_json()["event"] == "ready"
    allowed = connect(cors=("https://page.example",))
    with allowed.websocket_connect("/v1/stream", headers={"Origin": "https://page.example"}) as socket:
        socket.send_json({})
        assert socket.receive_json()["event"] == "ready"


def test_key_comes_in_the_header_or_in_the_first_message(connect: Connect, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{hashlib.sha256(b'right').hexdigest()}  alice\n", encoding="utf-8")
    client = connect(api_keys=file)
    assert refusal(client, {}) == ("invalid_api_key", 1008)
    assert refusal(client, {"api_key": "wrong"}) == ("invalid_api_key", 1008)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"api_key": "right"})
        assert socket.receive_json()["event"] == "ready"
    with client.websocket_connect("/v1/stream", headers={"Authorization": "Bearer right"}) as socket:
        socket.send_json({})
        assert socket.receive_json()["event"] == "ready"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("alice", "bob")}
    lines = [f"{digest}  {name}\n" for name, digest in digests.items()]
    file.write_text("".join(lines), encoding="utf-8")
    return file


def opened(client: TestClient, first: dict[str, Any], place: ExitStack) -> dict[str, Any]:
    """The first answer to a stream, which stays open as long as `place`."""
    socket = place.enter_context(client.websocket_connect("/v1/stream"))
    socket.send_json(first)
    return dict(socket.receive_json())


def test_strangers_take_no_place_of_those_with_a_key(
    connect: Connect, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream without a key in its header waits for its first message, and has other places until then."""
    client = connect(api_keys=keys, max_streams=1)
    monkeypatch.setattr(client.app.state.unknown_streams, "most", 3)  # type: ignore[attr-defined]
    with ExitStack() as place:
        for _ in range(2):
            place.enter_context(client.websocket_connect("/v1/stream"))
        assert opened(client, {"api_key": "alice"}, place)["event"] == "ready"
        assert opened(client, {"api_key": "bob"}, place)["code"] == "busy"  # one with a key is open
        place.enter_context(client.websocket_connect("/v1/stream"))
        assert refusal(client) == ("busy", 1013)  # three strangers
    with ExitStack() as place:
        assert opened(client, {"api_key": "bob"}, place)["event"] == "ready"


def test_streams_of_a_client_are_limited_apart_from_its_requests(
    connect: Connect, keys: Path, clip: Path
) -> None:
    client = connect(api_keys=keys, max_per_client=1)
    header = {"Authorization": "Bearer alice"}
    with ExitStack() as place:
        assert opened(client, {"api_key": "alice"}, place)["event"] == "ready"
        refused = opened(client, {"api_key": "alice"}, place)
        assert (refused["code"], refused["type"]) == ("too-many-requests", "invalid_request_error")
        assert opened(client, {"api_key": "bob"}, place)["event"] == "ready"
        answer = client.post("/v1/phonemes", files={"file": clip.read_bytes()}, headers=header)
        assert answer.status_code == 200


def test_log_of_a_stream_has_its_model_and_whose_key_it_was(
    connect: Connect, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(api_keys=keys)
    with caplog.at_level(logging.INFO, "soritune.serving"):
        with client.websocket_connect("/v1/stream") as socket:
            socket.send_json({"api_key": "alice", "partials": False})
            socket.send_bytes(int16(1.0))
            socket.send_json({"event": "end"})
            messages(socket)
            closed(socket)
        assert refusal(client, {"api_key": "wrong"})[0] == "invalid_api_key"
        lines: list[Any] = []
        deadline = time.monotonic() + 60
        while len(lines) < 2:  # a line is written after the stream is closed
            assert time.monotonic() < deadline
            lines = [getattr(each, FIELDS) for each in caplog.records if each.getMessage() == "stream"]
    assert (lines[0]["client"], lines[0]["model"], lines[0]["outcome"]) == ("alice", "toy", "final")
    assert not {"client", "model"} & lines[1].keys()


def test_samples_after_the_end_close_the_stream(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing reads them, so that they would wait in memory; a ping is no sample."""
    client = connect(max_streams=2)
    slow = Slow(client, monkeypatch)
    with client.websocket_connect("/v1/stream") as socket:
        for message in ({"partials": False}, b"", {"event": "end"}, {"event": "ping"}):
            socket.send_bytes(int16(1.0)) if message == b"" else socket.send_json(message)
        assert slow.begun.wait(60)
        socket.send_bytes(int16(1.0))
        last = messages(socket)[-1]
        assert (last["event"], last["code"], closed(socket)) == ("error", "after-end", 1008)
    slow.go.set()


def test_client_that_leaves_after_the_end_gives_its_place_back(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(max_streams=1, max_seconds=200)
    slow = Slow(client, monkeypatch)
    with client.websocket_connect("/v1/stream") as socket:
        socket.send_json({"partials": False})
        socket.send_bytes(int16(1.0))
        socket.send_json({"event": "end"})
        assert slow.begun.wait(60)
    deadline = time.monotonic() + 15  # the model is at work for 20 s
    first: dict[str, Any] = {}
    while first.get("event") != "ready":
        assert time.monotonic() < deadline
        with ExitStack() as place:
            first = opened(client, {}, place)
    assert not slow.go.is_set()
    slow.go.set()
