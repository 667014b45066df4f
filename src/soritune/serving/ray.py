"""The app of `soritune serve` under Ray Serve: replicas on several machines, and parts of GPUs (extras serve, ray).

    serve run soritune.serving.ray:app models=phones=/models/phones replicas=4 num_gpus=0.25

`docs/serving.md` has the arguments, and `docs/cluster/rayservice.yaml` the same for Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from ray import serve
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soritune.errors import SorituneError
from soritune.serving.gate import REQUEST_ID
from soritune.serving.settings import ServeSettings
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
        return _WithoutRequestId(open_app(settings))

    deployment = serve.deployment(serve.ingress(build)(), name="soritune")
    return deployment.options(**options(settings)).bind()


class _WithoutRequestId:
    """Leaves out the header with the request's id: Ray's proxy adds it to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)[REQUEST_ID]
            await send(message)

        await self._app(scope, receive, send_without)


def options(settings: RaySettings) -> dict[str, Any]:
    """The options of the deployment.

    The gate of the app answers beyond its limits, with 503 and `Retry-After`, so Ray has to let in somewhat more.
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
        "graceful_shutdown_timeout_s": settings.drain_seconds,
    }
