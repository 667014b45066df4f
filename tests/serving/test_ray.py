"""The app under a real local Ray: answers, streams, limits, a replica that dies; arguments and the manifest."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import psutil
import pytest
import ray
import soundfile
import yaml
from ray import serve
from ray.serve.schema import ServeDeploySchema
from starlette.testclient import TestClient
from tests.conftest import ray_signals
from tests.serving.conftest import Connect
from tests.serving.test_server import free_port
from websockets.sync.client import connect as connect_stream

from soritune.errors import SorituneError
from soritune.serving.ray import ForRay, RaySettings, app, most_stream_bytes, options

MANIFEST = Path(__file__).parent.parent.parent / "docs" / "cluster" / "rayservice.yaml"
SCHEMA = Path(__file__).parent / "rayservice_schema.json"
ROUTES = ("/v1/phonemes", "/v1/emotion", "/v1/batch", "/v1/audio/transcriptions", "/invocations")


@pytest.fixture(scope="module")
def address(toy: dict[str, Path]) -> Iterator[str]:
    """Two replicas with a bundle of each backend, on a node that states one GPU; host and port."""
    port = free_port()
    with ray_signals(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init("local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False)
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": port})
            arguments = {
                "models": f"onnx-runtime={toy['onnx-runtime']},pytorch={toy['pytorch']}",
                "vad": "energy",
                "device": "cpu",
                "enable_emotion": "true",
                "replicas": "2",
                "num_gpus": "0.25",
                "max_bytes": "1000000",
            }
            serve.run(app(arguments), name="soritune", route_prefix="/")
            yield f"127.0.0.1:{port}"
        finally:
            serve.shutdown()
            ray.shutdown()


@pytest.fixture(scope="module")
def plain(toy: dict[str, Path], connect: Connect) -> TestClient:
    """The same models without Ray."""
    models = tuple(f"{backend}={toy[backend]}" for backend in ("onnx-runtime", "pytorch"))
    return connect(models=models, device="cpu", enable_emotion=True, max_bytes=1_000_000)


def posted(post: Callable[..., Any], route: str, clip: Path, model: str) -> Any:
    if route == "/invocations":
        return post(route, content=clip.read_bytes(), headers={"Content-Type": "audio/wav"})
    name = "files" if route == "/v1/batch" else "file"
    return post(route, files={name: ("clip.wav", clip.read_bytes())}, data={"model": model})


@pytest.mark.slow(seconds=40)
@pytest.mark.parametrize("backend", ["onnx-runtime", "pytorch"])
def test_every_route_answers_as_without_ray(
    address: str, plain: TestClient, clip: Path, backend: str
) -> None:
    with httpx2.Client(base_url=f"http://{address}", timeout=60) as client:
        for route in ROUTES:
            expected, answer = (posted(post, route, clip, backend) for post in (plain.post, client.post))
            assert (answer.status_code, answer.json()) == (200, expected.json()), route
        for route in ("/v1/models", "/healthz", "/openapi.json", "/"):
            assert client.get(route).content == plain.get(route).content, route


@pytest.mark.slow(seconds=2)
def test_stream_ends_with_the_answer_for_the_file(address: str, plain: TestClient, clip: Path) -> None:
    expected = plain.post("/v1/batch", files={"files": clip.read_bytes()}).json()["answers"][0]
    samples, rate = soundfile.read(clip, dtype="int16")
    with connect_stream(f"ws://{address}/v1/stream") as stream:
        stream.send(json.dumps({"sample_rate": rate, "partials": False}))
        for start in range(0, len(samples), 1600):
            stream.send(samples[start : start + 1600].astype("<i2").tobytes())
        stream.send(json.dumps({"event": "end"}))
        events = [json.loads(message) for message in stream]
    assert [event["event"] for event in events][:: len(events) - 1] == ["ready", "final"]
    assert events[-1]["answer"] == expected


@pytest.mark.slow(seconds=2)
def test_refusals_pass_through_ray(address: str, clip: Path) -> None:
    with httpx2.Client(base_url=f"http://{address}", timeout=60) as client:
        large = client.post("/invocations", content=bytes(1_000_001), headers={"Content-Type": "audio/wav"})
        assert (large.status_code, large.json()["error"]["code"]) == (413, "body-too-large")
        assert large.json()["error"]["request_id"] == large.headers["X-Request-Id"]
        wrong = client.post("/v1/phonemes", files={"file": b"no audio"}, headers={"X-Request-Id": "mine"})
        assert (wrong.status_code, wrong.headers["X-Request-Id"]) == (422, "mine")


@pytest.mark.slow(seconds=1)
def test_replicas_share_a_gpu(address: str) -> None:
    """Two replicas with a quarter each leave half of the GPU of the node, and one core each of its four."""
    left = ray.available_resources()
    assert left["GPU"] == pytest.approx(0.5)
    assert left["CPU"] == pytest.approx(2)


def replicas() -> list[psutil.Process]:
    """Processes of replicas of this Ray."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.name().startswith("ray::ServeReplica:soritune")]


@pytest.mark.slow(seconds=15)
def test_requests_succeed_after_one_retry_where_a_replica_is_killed(address: str, clip: Path) -> None:
    """The last test of this Ray."""
    stop, body = threading.Event(), clip.read_bytes()

    def attempt(client: httpx2.Client) -> bool:
        try:
            return client.post("/v1/phonemes", files={"file": body}).status_code == 200
        except httpx2.TransportError:
            return False

    def work() -> tuple[int, int]:
        """Requests that were answered, and those that failed twice."""
        answered = lost = 0
        with httpx2.Client(base_url=f"http://{address}", timeout=60) as client:
            while not stop.is_set():
                done = attempt(client) or attempt(client)
                answered, lost = answered + done, lost + (not done)
        return answered, lost

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(work) for _ in range(8)]
        try:
            time.sleep(1)
            killed, kept = (process.pid for process in replicas())
            os.kill(killed, signal.SIGKILL)
            deadline = time.monotonic() + 120
            while len({process.pid for process in replicas()} - {killed}) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            stop.set()
        counts = [each.result() for each in running]
    assert kept in {process.pid for process in replicas()}
    assert min(answered for answered, _ in counts) > 0
    assert sum(lost for _, lost in counts) == 0


def test_stream_that_floods_a_busy_app_is_closed_and_its_messages_dropped() -> None:
    """Ray keeps what a stream sends without a limit; here the app reads one message and then nothing."""
    sent: list[Any] = []
    given = iter([{"type": "websocket.connect"}, *[{"type": "websocket.receive", "bytes": bytes(100)}] * 50])
    num_given = 0

    async def receive() -> Any:
        nonlocal num_given
        num_given += 1
        return next(given)

    async def send(message: Any) -> None:
        sent.append(message)

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while len(sent) < 2:
            await asyncio.sleep(0.01)
        assert await receive() == {"type": "websocket.disconnect", "code": 1009}
        await send({"type": "websocket.send", "text": "late"})

    asyncio.run(ForRay(busy, 1000)({"type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1009}]
    assert num_given == 12  # the first message, and eleven of 100 bytes


def test_longest_recording_fits_into_the_bytes_of_a_stream() -> None:
    assert most_stream_bytes(RaySettings(max_seconds=10)) >= 10 * 48_000 * 2
    assert most_stream_bytes(RaySettings(max_seconds=10)) < 10 * 48_000 * 2 * 2


def test_options_let_the_app_refuse_what_is_too_much() -> None:
    """A replica takes more requests than its gate lets in, so that the gate answers 503 with Retry-After."""
    settings = RaySettings(max_concurrent=10, max_streams=4, replicas=3, num_cpus=2, drain_seconds=7)
    chosen = options(settings)
    assert chosen.pop("max_ongoing_requests") > 14
    assert chosen.pop("max_queued_requests") > 14
    assert chosen == {
        "backpressure_config": {"status_code": 503, "retry_after_s": 1},
        "num_replicas": 3,
        "ray_actor_options": {"num_cpus": 2, "num_gpus": 0},
        "graceful_shutdown_timeout_s": 7,
    }
    assert options(RaySettings(replicas=2, max_replicas=5, max_concurrent=64))["autoscaling_config"] == {
        "min_replicas": 2,
        "max_replicas": 5,
        "target_ongoing_requests": 16,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replica": "2"}, "replica: unknown key; did you mean 'replicas'?"),
        ({"port": "80"}, "port: set by Ray Serve; leave out, and use its http_options"),
        ({"replicas": "2", "max_replicas": "2"}, r"max_replicas is 2; it has to be above replicas \(2\)"),
        ({"num_gpus": "1.5"}, "num_gpus is 1.5; above 1 it has to be a whole number"),
        ({"replicas": "many"}, r"replicas: must be a whole number \(got 'many'\)"),
    ],
)
def test_faulty_argument_is_one_sentence(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(SorituneError, match=f"^arguments: {message}"):
        app(arguments)


def test_manifest_fits_the_schema_of_kuberay() -> None:
    """Unknown fields are refused too, as `kubectl` does with strict validation."""
    schema = strict(json.loads(SCHEMA.read_text())["schema"])
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    jsonschema_rs.validate(schema, manifest)
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayService")
    workers = manifest["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    del workers[0]["template"]["spec"]["containers"][0]["name"]
    with pytest.raises(jsonschema_rs.ValidationError, match="name"):
        jsonschema_rs.validate(schema, manifest)
    workers[0]["template"]["spec"]["containers"][0].update(name="worker", immage="x")
    with pytest.raises(jsonschema_rs.ValidationError, match="immage"):
        jsonschema_rs.validate(schema, manifest)


def strict(schema: Any) -> Any:
    """The schema without fields that it does not name, except below `metadata`, which Kubernetes itself checks."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: strict(value) for key, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        changed["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        changed.pop("type", None)
    return changed


def test_manifest_configures_this_application() -> None:
    """Ray's own schema takes the configuration, and this module its arguments; the replicas fit the worker."""
    manifest = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["spec"]
    config = ServeDeploySchema.model_validate(yaml.safe_load(manifest["serveConfigV2"]))
    (application,) = config.applications
    assert application.import_path == f"{app.__module__}:{app.__name__}"
    app(application.args)
    settings = RaySettings.model_validate(application.args)
    (group,) = manifest["rayClusterConfig"]["workerGroupSpecs"]
    (worker,) = group["template"]["spec"]["containers"]
    limits = worker["resources"]["limits"]
    assert settings.replicas * settings.num_gpus <= group["minReplicas"] * limits["nvidia.com/gpu"]
    assert settings.max_replicas is not None
    assert settings.max_replicas * settings.num_gpus <= group["maxReplicas"] * limits["nvidia.com/gpu"]
    mounts = [mount["mountPath"] for mount in worker["volumeMounts"]]
    assert all(model.partition("=")[2].startswith(tuple(mounts)) for model in settings.models)
