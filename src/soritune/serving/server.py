"""Runs the app under uvicorn: one process, or several that share a port."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from soritune.errors import SorituneError, reason_of
from soritune.extras import MODULES, require
from soritune.serving.settings import ServeSettings, settings_in

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that prometheus_client reads when it is imported (`serving/metrics.py`)."""
FAILURE = "failure.txt"
"""File in that folder, with the sentence why a worker could not start."""
LARGEST_MESSAGE, MOST_MESSAGES = 2**18, 8
"""Of a WebSocket, in bytes; messages that wait unread. Beyond these the connection is not read."""


def run(settings: ServeSettings, on_ready: Callable[[], None] = lambda: None) -> None:
    """Serves until the process is stopped. SIGTERM and SIGINT finish the requests in progress first.

    Args:
        settings: of the server.
        on_ready: is called by a thread once the models are open and the port takes connections; with several workers,
            once the first of them does.

    Raises:
        SorituneError: the extra is not installed, a model or the file of keys is faulty, or the port is taken.
    """
    require("serving", *MODULES["serve"])
    import uvicorn

    from soritune.serving.app import open_app
    from soritune.serving.keys import read_keys
    from soritune.serving.logs import log_as_json
    from soritune.serving.models import named_folders

    options = uvicorn_options(settings)
    log_as_json(settings.log_level)
    if settings.workers == 1:
        _check_port(settings)
        config = uvicorn.Config(Finished(open_app(settings)), **options)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # uvicorn raises it again once everything is finished
        with _calling_when_open(settings, on_ready):
            uvicorn.Server(config).run()
        return
    named_folders(settings)  # a wrong name is reported before the workers start
    if settings.api_keys is not None:
        read_keys(settings.api_keys)
    _check_port(settings)
    with tempfile.TemporaryDirectory(prefix="soritune-metrics-") as folder:
        os.environ.update(settings.environment(), **{METRICS_FOLDER: folder})
        threads = max(1, (os.cpu_count() or 1) // settings.workers)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        with _calling_when_open(settings, on_ready):
            uvicorn.run(
                "soritune.serving.server:worker_app", factory=True, workers=settings.workers, **options
            )
        failure = Path(folder) / FAILURE
        if failure.exists():
            raise SorituneError(failure.read_text(encoding="utf-8"))


def uvicorn_options(settings: ServeSettings) -> dict[str, Any]:
    """How uvicorn runs the app, in one process or in several."""
    return {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "loop": "asyncio",  # the same with and without the libraries that another package may have installed
        "http": "h11",
        "ws_max_size": LARGEST_MESSAGE,
        "ws_max_queue": MOST_MESSAGES,
        "ws_per_message_deflate": False,  # a few kilobytes of TCP would become any number of messages in memory
        "timeout_worker_healthcheck": 30,
        "timeout_graceful_shutdown": settings.drain_seconds,
        "lifespan": "on",
    }


class Finished:
    """An app whose requests end when uvicorn cancels them, once the time for requests in progress is over: they have
    been answered (`serving/gate.py`), and uvicorn would log the cancellation of each as a failure.

    Args:
        app: an ASGI application.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Runs the app."""
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise


def worker_app() -> Any:
    """The app of a worker process, from the settings in the environment."""
    from soritune.serving.app import open_app
    from soritune.serving.logs import log_as_json

    settings = settings_in()
    log_as_json(settings.log_level)
    try:
        return Finished(open_app(settings))
    except SorituneError as error:  # would be started again for ever
        (Path(os.environ[METRICS_FOLDER]) / FAILURE).write_text(str(error), encoding="utf-8")
        os.kill(os.getppid(), signal.SIGTERM)
        sys.exit(error.exit_code)


@contextmanager
def _calling_when_open(settings: ServeSettings, on_ready: Callable[[], None]) -> Iterator[None]:
    """Calls `on_ready` once the port takes connections: a process listens when its models are open."""
    every = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  a connection needs an address of this machine
    host, ended = every.get(settings.host, settings.host), threading.Event()

    def wait() -> None:
        while not ended.wait(0.1):
            try:
                socket.create_connection((host, settings.port), timeout=1).close()
            except OSError:
                continue
            on_ready()
            return

    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _check_port(settings: ServeSettings) -> None:
    """
    Raises:
        SorituneError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SorituneError(
                f"{settings.host}:{settings.port} cannot be used ({reason_of(error)}); choose another --port or --host"
            ) from None
