"""Limits, keys, ids and logs, with hostile requests."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.serving.conftest import Connect

from soritune.serving.app import open_app
from soritune.serving.logs import FIELDS
from soritune.serving.settings import ServeSettings


def upload(client: Any, data: bytes, **more: Any) -> Any:
    return client.post("/v1/phonemes", files={"file": ("a.wav", data)}, **more)


async def exchange(app: Any, headers: list[tuple[bytes, bytes]], messages: list[Any]) -> list[dict[str, Any]]:
    """What an app sends for a POST whose body comes as these messages; a number is a pause in seconds."""
    sent: list[dict[str, Any]] = []
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        while waiting:
            message = waiting.pop(0)
            if not isinstance(message, float):
                return dict(message)
            await asyncio.sleep(message)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/invocations",
        "raw_path": b"/invocations",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"content-type", b"audio/wav"), *headers],
        "client": ("10.0.0.1", 5),
        "server": ("localhost", 80),
    }
    await app(scope, receive, send)
    return sent


def status_of(sent: list[dict[str, Any]]) -> int:
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1
    return int(starts[0]["status"])


def test_stated_length_beyond_the_limit_is_refused_before_the_body(connect: Connect) -> None:
    answer = upload(connect(max_bytes=2048), b"\0" * 5000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body-too-large")


def test_body_without_a_stated_length_is_cut_at_the_limit(toy: dict[str, Path]) -> None:
    """A stream of parts: the server reads one beyond the limit, and no more."""
    app = open_app(ServeSettings(models=(f"toy={toy['onnx-runtime']}",), max_bytes=2048, vad="off"))
    parts = [{"type": "http.request", "body": b"\0" * 1000, "more_body": True} for _ in range(100)]
    sent = asyncio.run(exchange(app, [], parts))
    assert status_of(sent) == 413
    assert len(parts) == 100


def test_slow_body_is_given_up(toy: dict[str, Path]) -> None:
    app = open_app(ServeSettings(models=(f"toy={toy['onnx-runtime']}",), upload_seconds=0.2, vad="off"))
    first = {"type": "http.request", "body": b"RIFF", "more_body": True}
    assert status_of(asyncio.run(exchange(app, [], [first, 30.0]))) == 408


@pytest.mark.parametrize("value", [b"-1", b"many", "٣".encode()])
def test_wrong_content_length_is_refused(toy: dict[str, Path], value: bytes, connect: Connect) -> None:
    sent = asyncio.run(exchange(connect().app, [(b"content-length", value)], []))
    assert status_of(sent) == 400


def test_client_that_leaves_ends_its_request(connect: Connect) -> None:
    first = {"type": "http.request", "body": b"RIFF", "more_body": True}
    sent = asyncio.run(exchange(connect().app, [], [first]))
    assert [message for message in sent if message.get("status") == 200] == []


class Slow:
    """A model whose batches wait until they are let go."""

    def __init__(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.num_clips = 0
        predictor = client.app.state.models.named(None).predictor
        run = predictor.run

        def waiting(*arguments: Any) -> Any:
            self.begun.set()
            assert self.go.wait(20)
            self.num_clips += len(arguments[0])
            return run(*arguments)

        monkeypatch.setattr(predictor, "run", waiting)


@pytest.mark.parametrize(("limits", "status"), [({"max_concurrent": 1}, 503), ({"max_per_client": 1}, 429)])
def test_request_beyond_the_limit_is_refused_with_when_to_try_again(
    connect: Connect, clip: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], status: int
) -> None:
    client = connect(**limits)
    slow, answers = Slow(client, monkeypatch), []
    thread = threading.Thread(target=lambda: answers.append(upload(client, clip.read_bytes())))
    thread.start()
    assert slow.begun.wait(20)
    refused = upload(client, clip.read_bytes())
    assert (refused.status_code, refused.headers["Retry-After"]) == (status, "1")
    assert client.get("/ping").status_code == 200
    slow.go.set()
    thread.join(20)
    assert answers[0].status_code == 200
    assert upload(client, clip.read_bytes()).status_code == 200


def test_client_that_leaves_gives_its_place_back_before_its_answer(
    connect: Connect, clip: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The model is still at work when the place is free; what waits behind it is not run."""
    client = connect(max_concurrent=1, max_seconds=300)
    slow = Slow(client, monkeypatch)
    body = {"type": "http.request", "body": clip.read_bytes(), "more_body": False}
    with caplog.at_level(logging.INFO, "soritune.serving"):
        for _ in range(3):
            sent = asyncio.run(exchange(client.app, [], [body, 0.3]))
            assert status_of(sent) == 499
    assert "soritune_requests_in_progress 0.0" in client.get("/metrics").text
    logged = [getattr(record, FIELDS) for record in caplog.records if record.getMessage() == "request"]
    assert [(fields["status"], fields["code"]) for fields in logged] == [(499, "client-left")] * 3
    slow.go.set()
    assert upload(client, clip.read_bytes()).status_code == 200
    assert slow.num_clips <= 2  # of the first one, if its batch had begun, and of the last one


@pytest.mark.parametrize(
    ("origin", "cors", "status"),
    [
        (None, (), 200),
        ("http://testserver", (), 200),
        ("https://evil.example", (), 403),
        ("null", (), 403),
        ("https://page.example", ("https://page.example",), 200),
        ("https://evil.example", ("https://page.example",), 403),
        ("https://evil.example", ("*",), 200),
    ],
)
def test_page_of_another_server_is_refused_before_its_request_is_run(
    connect: Connect, clip: Path, origin: str | None, cors: tuple[str, ...], status: int
) -> None:
    """A browser sends a plain POST of any page, and only hides the answer from it."""
    client = connect(cors=cors)
    headers = {} if origin is None else {"Origin": origin}
    answer = upload(client, clip.read_bytes(), headers=headers)
    assert answer.status_code == status
    assert client.get("/v1/models", headers=headers).status_code == status
    assert client.get("/ping", headers=headers).status_code == 200
    if status == 403:
        assert answer.json()["error"]["code"] == "origin"


def test_slow_answer_is_given_up(connect: Connect, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(answer_seconds=0.3)
    slow = Slow(client, monkeypatch)
    refused = upload(client, clip.read_bytes())
    slow.go.set()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "slow")
    assert refused.headers["Retry-After"] == "1"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"{hashlib.sha256(b'right').hexdigest()}  alice\n", encoding="utf-8")
    return file


def test_keys_guard_models_and_metrics_but_not_health(connect: Connect, clip: Path, keys: Path) -> None:
    client, data = connect(api_keys=keys), clip.read_bytes()
    refused = upload(client, data)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert upload(client, data, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics").status_code == client.get("/v1/models").status_code == 401
    assert client.get("/ping").status_code == client.get("/healthz").status_code == 200
    assert upload(client, data, headers={"Authorization": "Bearer right"}).status_code == 200
    assert upload(client, data, headers={"X-API-Key": "right"}).status_code == 200


def test_request_id_is_kept_if_it_is_a_plain_one(connect: Connect) -> None:
    client = connect()
    assert (
        client.get("/healthz", headers={"X-Request-Id": "abc-1.2_3"}).headers["X-Request-Id"] == "abc-1.2_3"
    )
    for wrong in ("a" * 65, "a b", '"}', ""):
        assert client.get("/healthz", headers={"X-Request-Id": wrong}).headers["X-Request-Id"] != wrong
    error = client.get("/nowhere", headers={"X-Request-Id": "x9"}).json()["error"]
    assert error["request_id"] == "x9"


def test_log_has_facts_and_neither_names_nor_texts(
    connect: Connect, clip: Path, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(api_keys=keys)
    with caplog.at_level(logging.INFO, "soritune.serving"):
        answer = client.post(
            "/v1/phonemes?token=hidden",
            files={"file": ("private-name.wav", clip.read_bytes())},
            headers={"Authorization": "Bearer right"},
        )
    (fields,) = [getattr(record, FIELDS) for record in caplog.records if record.getMessage() == "request"]
    assert fields["route"] == "/v1/phonemes"
    assert (fields["status"], fields["model"], fields["audio_s"], fields["client"]) == (
        200,
        "toy",
        2.0,
        "alice",
    )
    logged = json.dumps([{**record.__dict__, "args": None} for record in caplog.records], default=str)
    for hidden in ("private-name", "hidden", "right", answer.json()["hangul"]):
        assert hidden not in logged


def test_defect_is_a_500_without_its_reason(
    connect: Connect, clip: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect()

    def broken(*arguments: Any) -> Any:
        raise ZeroDivisionError("secret of the server")

    monkeypatch.setattr(client.app.state.models.named(None).predictor, "run", broken)  # type: ignore[attr-defined]
    answer = upload(client, clip.read_bytes())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]
    monkeypatch.undo()
    assert upload(client, clip.read_bytes()).status_code == 200


@pytest.mark.parametrize("prefix", ["/speech", "/v"])
def test_key_is_required_under_a_prefix_too(connect: Connect, clip: Path, keys: Path, prefix: str) -> None:
    """As under Ray Serve with a route prefix, or behind `root_path`."""
    settings: ServeSettings = connect(api_keys=keys).app.state.settings  # type: ignore[attr-defined]
    sent = {"files": {"file": ("a.wav", clip.read_bytes())}}
    right = {"Authorization": "Bearer right"}
    with TestClient(open_app(settings), root_path=prefix, raise_server_exceptions=False) as client:
        for path in ("/v1/models", "/metrics"):
            assert client.get(f"{prefix}{path}").status_code == 401
        assert client.post(f"{prefix}/v1/phonemes", **sent).status_code == 401
        assert client.post(f"{prefix}/v1/phonemes", headers=right, **sent).status_code == 200
        assert client.get(f"{prefix}/healthz").status_code == 200
