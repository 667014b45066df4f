"""The app of `soritune serve` under Ray Serve: replicas on several machines, and parts of GPUs (extras serve, ray).

    serve run soritune.serving.ray:app models=phones=/models/phones replicas=4 num_gpus=0.25

`docs/serving.md` has the arguments, and `docs/cluster/rayservice.yaml` the same for Kubernetes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from ray import serve
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soritune.errors import SorituneError
from soritune.serving.faults import BUSY_SECONDS
from soritune.serving.gate import REQUEST_ID
from soritune.serving.settings import ServeSettings
from soritune.serving.stream import LARGEST_FRAME, LARGEST_TEXT, MOST_RATE_HZ, MOST_TEXTS, TOO_BIG
from soritune.settings import faults_of

SERVED_BY_RAY = ("host", "port", "workers")
"""Settings of `soritune serve` in whose place Ray has its own."""
SPARE_REQUESTS = 16
"""Places of a replica beside those of requests and streams: for health checks, the page and refusals."""


class RaySettings(ServeSettings):
    """What every replica serves, and what it needs. As text, from `serve run`, lists are separated by commas."""

    replicas: int = Field(1, ge=1)
    """Copies of the app, each with its own models and limits."""
    max_replicas: int | None = Field(None, ge=1)
    """Above `replicas`: Ray starts up to so many while many requests are in progress, and stops them again."""
    num_cpus: float = Field(1.0, ge=0)
    """Cores that Ray reserves for a replica; PyTorch and ONNX Runtime compute in so many threads."""
    num_gpus: float = Field(0.0, ge=0)
    """GPUs that Ray reserves for a replica: with 0.25 four of them share one."""

    @field_validator("models", "cors", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> RaySettings:
        given = [name for name in SERVED_BY_RAY if name in self.model_fields_set]
        if given:
            raise ValueError(f"{', '.join(given)}: set by Ray Serve; leave out, and use its http_options")
        if self.max_replicas is not None and self.max_replicas <= self.replicas:
            raise ValueError(
                f"max_replicas is {self.max_replicas}; it has to be above replicas ({self.replicas})"
            )
        if self.num_gpus > 1 and not self.num_gpus.is_integer():
            raise ValueError(f"num_gpus is {self.num_gpus:g}; above 1 it has to be a whole number")
        return self


def app(arguments: Mapping[str, Any]) -> serve.Application:
    """An application of Ray Serve. `serve run` and `import_path` of its configuration call it with their arguments.

    Args:
        arguments: `RaySettings` by name.

    Raises:
        SorituneError: an argument is unknown or faulty.
    """
    try:
        settings = RaySettings.model_validate(dict(arguments))
    except ValidationError as error:
        raise SorituneError(f"arguments: {'; '.join(faults_of(error, RaySettings))}") from None

    def build() -> Any:
        """The app of a replica, in its process."""
        from soritune.serving.app import open_app
        from soritune.serving.logs import log_as_json

        log_as_json(settings.log_level)
        return ForRay(open_app(settings), most_stream_bytes(settings))

    deployment = serve.deployment(serve.ingress(build)(), name="soritune")
    return deployment.options(**options(settings)).bind()


class ForRay:
    """The app as Ray's proxy needs it.

    - The header with the request's id is left out: the proxy adds it to every answer.
    - The proxy and the replica keep what a stream sends without a limit. So messages are counted as they come, and not
      only when the app reads them: a stream with more bytes than its longest recording is closed with 1009.

    Args:
        app: an ASGI application.
        most_bytes: of the messages of a stream.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most_bytes = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request or a stream."""
        if scope["type"] == "websocket":
            await self._stream(scope, receive, send)
            return

        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)[REQUEST_ID]
            await send(message)

        await self._app(scope, receive, send_without)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        waiting: asyncio.Queue[Message] = asyncio.Queue()
        is_closed = False

        async def send_while_open(message: Message) -> None:
            if not is_closed:
                await send(message)

        async def read() -> None:
            nonlocal is_closed
            num_bytes = 0
            while True:
                message = await receive()
                num_bytes += len(message.get("bytes") or b"") + len(message.get("text") or "")
                if num_bytes > self._most_bytes:
                    while not waiting.empty():
                        waiting.get_nowait()
                    waiting.put_nowait({"type": "websocket.disconnect", "code": TOO_BIG})
                    await send_while_open({"type": "websocket.close", "code": TOO_BIG})
                    is_closed = True
                    return
                waiting.put_nowait(message)
                if message["type"] == "websocket.disconnect":
                    return

        waiting.put_nowait(await receive())  # the connection
        reading = asyncio.create_task(read())
        try:
            await self._app(scope, waiting.get, send_while_open)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def most_stream_bytes(settings: ServeSettings) -> int:
    """Of the messages of a stream: samples of the longest recording at the highest rate, and its texts."""
    return 2 * round(settings.max_seconds * MOST_RATE_HZ) + MOST_TEXTS * LARGEST_TEXT + LARGEST_FRAME


def options(settings: RaySettings) -> dict[str, Any]:
    """The options of the deployment.

    The gate of the app answers beyond its limits, with 503 and `Retry-After`, so Ray has to let in somewhat more. What
    comes beyond that waits at Ray's proxy with its body; as many requests may as a replica takes.
    """
    most = settings.max_concurrent + settings.max_streams + SPARE_REQUESTS
    scaling: dict[str, Any] = {"num_replicas": settings.replicas}
    if settings.max_replicas is not None:
        scaling = {
            "autoscaling_config": {
                "min_replicas": settings.replicas,
                "max_replicas": settings.max_replicas,
                "target_ongoing_requests": max(1, settings.max_concurrent // 4),
            }
        }
    return {
        **scaling,
        "ray_actor_options": {"num_cpus": settings.num_cpus, "num_gpus": settings.num_gpus},
        "max_ongoing_requests": most,
        "max_queued_requests": most,
        "backpressure_config": {"status_code": 503, "retry_after_s": BUSY_SECONDS},
        "graceful_shutdown_timeout_s": settings.drain_seconds,
    }
