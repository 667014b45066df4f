"""What every request passes: an id, a key, limits of number, size and time, a line in the log. Next: `routes.py`."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soritune.serving.faults import RequestError, stopping
from soritune.serving.keys import ApiKeys, key_in
from soritune.serving.logs import FIELDS
from soritune.serving.metrics import Metrics
from soritune.serving.places import Places
from soritune.serving.settings import ServeSettings

logger = logging.getLogger(__name__)
REQUEST_ID = "X-Request-Id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OPEN = ("/ping", "/healthz")
"""Routes of load balancers, which need no key and are answered by a full server too."""
_LIMITED = ("/v1/", "/invocations")
_KEYED = (*_LIMITED, "/metrics")
NO_KEY = RequestError(
    401, "the API key is missing or wrong; send the header Authorization: Bearer KEY", "invalid_api_key"
)

OTHER_PAGE = RequestError(
    403, "a page of another server may not use this one unless --cors names its origin", "origin"
)


def may_come_from(headers: Mapping[str, str], cors: Collection[str]) -> bool:
    """Whether the page that sends a request may use this server: it is of this server, or its origin is allowed.

    A browser sends requests of any page, to local servers too, and the origin alone distinguishes them. Programs send
    no origin.
    """
    origin = headers.get("origin")
    if origin is None or origin in cors or "*" in cors:
        return True
    return urlsplit(origin).netloc == headers.get("host")


def client_of(scope: Scope, headers: Mapping[str, str], keys: ApiKeys | None) -> str | None:
    """The name of the key's holder, or the address where no keys are used; None without a right key."""
    if keys is not None:
        return keys.owner(key_in(headers))
    address = scope.get("client")
    return address[0] if address else "unknown"


class Gate:
    """The outermost layer of the app.

    Args:
        app: what is behind it.
        settings: the limits.
        keys: None lets every request in.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, keys: ApiKeys | None, metrics: Metrics) -> None:
        self.app, self.settings, self.keys, self.metrics = app, settings, keys, metrics
        self._places = Places("requests", settings.max_concurrent, settings.max_per_client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; streams check themselves (`serving/stream.py`)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Request(self, scope, receive, send).answer()

    @contextmanager
    def entered(self, client: str) -> Iterator[None]:
        """Counts a request that is worked on.

        Raises:
            RequestError: 429, the client has too many; 503, the server has.
        """
        with self._places.taken(client), self.metrics.in_progress.track_inprogress():
            yield


class _Request:
    """One request on its way through the gate."""

    def __init__(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        self.gate, self.scope, self._receive, self._send = gate, scope, receive, send
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.headers: Mapping[str, str] = headers
        given = headers.get(REQUEST_ID.lower(), "")
        self.id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        self.facts: dict[str, Any] = {}
        scope.setdefault("state", {}).update(request_id=self.id, facts=self.facts)
        self.status = 0
        self.fault: RequestError | None = None
        """Replaces whatever the app answers."""
        self._started = time.perf_counter()
        self._body = 0

    async def answer(self) -> None:
        """Answers the request: checks key and limits, runs the app, and logs what happened."""
        path = _path_in_app(self.scope)
        try:
            with ExitStack() as place:
                if path.startswith(_KEYED):
                    client = self._checked_client()
                    if path.startswith(_LIMITED) and self.scope["method"] == "POST":
                        self._check_length()
                        place.enter_context(self.gate.entered(client))
                await self.gate.app(self.scope, self.receive, self.send)
        except RequestError as fault:
            await self._refuse(fault)
        except asyncio.CancelledError:  # by a server that is being stopped
            await self._refuse(stopping())
            raise
        except Exception:
            logger.exception("a request failed", extra={FIELDS: {"request_id": self.id, "path": path}})
            await self._refuse(
                RequestError(
                    500, "the server failed; its log has the reason under this request id", "internal"
                )
            )
        finally:
            self._log()

    def _checked_client(self) -> str:
        """
        Raises:
            RequestError: 403, a page of another server; 401, no such key.
        """
        if not may_come_from(self.headers, self.gate.settings.cors):
            raise OTHER_PAGE
        client = client_of(self.scope, self.headers, self.gate.keys)
        if client is None:
            raise NO_KEY
        if self.gate.keys is not None:
            self.facts["client"] = client
        return client

    async def receive(self) -> Message:
        """The next part of the body, as long as it comes in time and is not too large."""
        if self.fault is not None:
            return {"type": "http.disconnect"}
        left = self.gate.settings.upload_seconds - (time.perf_counter() - self._started)
        if "body-done" in self.scope["state"]:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0.001))
        except TimeoutError:
            seconds = self.gate.settings.upload_seconds
            self.fault = RequestError(
                408,
                f"the body did not arrive within {seconds:g} s; send less, or a smaller file",
                "upload-slow",
            )
            return {"type": "http.disconnect"}
        self._body += len(message.get("body", b""))
        if self._body > self.gate.settings.max_bytes:
            self.fault = self._too_large()
            return {"type": "http.disconnect"}
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.scope["state"]["body-done"] = True
        return message

    async def send(self, message: Message) -> None:
        """Adds headers; replaces the answer where the body was refused."""
        if message["type"] == "http.response.start":
            if self.fault is not None:
                fault, self.fault = self.fault, None
                await self._refuse(fault)
                return
            if self.status:
                return
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._headers()]}
        elif self._is_refused:
            return
        await self._send(message)

    _is_refused = False

    async def _refuse(self, fault: RequestError) -> None:
        if self.fault is not None:  # the app failed because its body was cut off
            fault, self.fault = self.fault, None
        if self.status:  # the answer has begun; the connection ends without its rest
            return
        self.status, self._is_refused = fault.status, True
        self.facts.setdefault("code", fault.code)
        body = json.dumps(fault.to_json(self.id), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **fault.headers}
        if fault.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        listed = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send(
            {"type": "http.response.start", "status": fault.status, "headers": [*listed, *self._headers()]}
        )
        await self._send({"type": "http.response.body", "body": body})

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (REQUEST_ID.lower().encode(), self.id.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]

    def _check_length(self) -> None:
        stated = self.headers.get("content-length", "0")
        if not stated.isascii() or not stated.isdigit():
            raise RequestError(400, "the header Content-Length is not a whole number", "content-length")
        if int(stated[:20]) > self.gate.settings.max_bytes:
            raise self._too_large()

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            f"the body has more than {self.gate.settings.max_bytes:,} bytes; send a shorter or a compressed recording",
            "body-too-large",
        )

    def _log(self) -> None:
        route = getattr(self.scope.get("route"), "path", None) or (
            "page" if self.status < 400 else "unmatched"
        )
        seconds = time.perf_counter() - self._started
        self.gate.metrics.requests.labels(route, str(self.status)).inc()
        self.gate.metrics.seconds.labels(route).observe(seconds)
        if route in _OPEN and self.status == 200:
            return
        fields = {
            "request_id": self.id,
            "method": self.scope["method"],
            "route": route,
            "status": self.status,
            "ms": round(seconds * 1000, 1),
            "bytes": self._body,
            **self.facts,
        }
        logger.info("request", extra={FIELDS: fields})


def _path_in_app(scope: Scope) -> str:
    """The path that routes are found by: without the prefix under which another server runs the app."""
    path: str = scope["path"]
    prefix: str = scope.get("root_path", "")
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path
