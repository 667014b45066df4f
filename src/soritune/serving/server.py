"""Runs the app under uvicorn: one process, or several that share a port."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from soritune.errors import SorituneError
from soritune.extras import MODULES, require
from soritune.serving.settings import ServeSettings, settings_in

LARGEST_MESSAGE, MOST_MESSAGES = 2**18, 8
"""Of a WebSocket, in bytes; messages that wait unread. Beyond these the connection is not read."""


def run(settings: ServeSettings) -> None:
    """Serves until the process is stopped. SIGTERM and SIGINT finish the requests in progress first.

    Raises:
        SorituneError: the extra is not installed, a model or the file of keys is faulty, or the port is taken.
    """
    require("serving", *MODULES["serve"])
    import uvicorn

    from soritune.serving.app import open_app
    from soritune.serving.keys import read_keys
    from soritune.serving.logs import log_as_json
    from soritune.serving.models import named_folders

    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "ws_max_size": LARGEST_MESSAGE,
        "ws_max_queue": MOST_MESSAGES,
        "timeout_graceful_shutdown": settings.drain_seconds,
        "lifespan": "on",
    }
    log_as_json(settings.log_level)
    if settings.workers == 1:
        config = uvicorn.Config(open_app(settings), **options)
        _check_port(config)
        uvicorn.Server(config).run()
        return
    named_folders(settings)  # workers that cannot start would be started again for ever
    if settings.api_keys is not None:
        read_keys(settings.api_keys)
    with tempfile.TemporaryDirectory(prefix="soritune-metrics-") as folder:
        os.environ.update(settings.environment(), PROMETHEUS_MULTIPROC_DIR=folder)
        threads = max(1, (os.cpu_count() or 1) // settings.workers)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        _check_port(uvicorn.Config("soritune.serving.server:worker_app", **options))
        uvicorn.run("soritune.serving.server:worker_app", factory=True, workers=settings.workers, **options)


def worker_app() -> Any:
    """The app of a worker process, from the settings in the environment."""
    from soritune.serving.app import open_app
    from soritune.serving.logs import log_as_json

    settings = settings_in()
    log_as_json(settings.log_level)
    return open_app(settings)


def _check_port(config: Any) -> None:
    """
    Raises:
        SorituneError: the address cannot be used.
    """
    import socket

    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise SorituneError(
                f"{config.host}:{config.port} cannot be used ({error.strerror}); choose another --port or --host"
            ) from None
