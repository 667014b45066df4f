"""The app: models and settings in, an ASGI application out. The same one runs under uvicorn, Ray Serve and tests.

Next: `serving/gate.py`, `serving/routes.py`, `serving/stream.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

import soritune
from soritune.serving import routes, stream
from soritune.serving.allocator import Trimmer, map_large_arrays
from soritune.serving.assessments import Assessments
from soritune.serving.faults import RequestError
from soritune.serving.gate import REQUEST_ID, Gate
from soritune.serving.keys import read_keys
from soritune.serving.logs import FIELDS
from soritune.serving.metrics import Metrics, forget_dead_processes
from soritune.serving.models import ServedModels
from soritune.serving.places import Places
from soritune.serving.settings import ServeSettings, settings_in

logger = logging.getLogger(__name__)
DESCRIPTION = (
    "Korean phones, styles of speaking and transcripts from recordings. Recordings are neither kept nor "
    "logged."
)
PAGE = Path(__file__).parent / "page"
"""Folder of the page at `/`, which is mounted if it has an index.html."""


def build_app(
    models: ServedModels,
    settings: ServeSettings,
    *,
    metrics: Metrics | None = None,
    trimmer: Trimmer | None = None,
    page: Path | None = PAGE,
) -> FastAPI:
    """An app around open models.

    Args:
        models: are closed when the app stops.
        settings: of the server; keys are read from its file.
        metrics: where batches of the models are counted too; None makes new ones.
        trimmer: runs while the app runs.
        page: folder with an index.html for `/`; None has no page.

    Raises:
        SorituneError: the file of keys is faulty.
    """
    metrics = metrics or Metrics()
    assessments = Assessments(models)
    keys = None if settings.api_keys is None else read_keys(settings.api_keys)
    # Bodies are bounded by max_bytes; within it uploads stay in memory and are never written to a disk.
    MultiPartParser.spool_max_size = max(MultiPartParser.spool_max_size, settings.max_bytes)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        forget_dead_processes()
        logger.info("ready", extra={FIELDS: {"models": models.names, "emotion": settings.enable_emotion}})
        task = None if trimmer is None else asyncio.create_task(trimmer.run())
        yield
        if task is not None:
            task.cancel()
        assessments.close()
        models.close()
        logger.info("stopped")

    app = FastAPI(
        title="soritune",
        version=soritune.__version__,
        description=DESCRIPTION,
        docs_url=None,  # its script comes from another server
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.models, app.state.settings, app.state.metrics, app.state.keys = models, settings, metrics, keys
    app.state.assessments = assessments
    app.state.streams = Places("streams", settings.max_streams, settings.max_per_client)
    app.state.unknown_streams = Places("streams without a key", stream.MOST_UNKNOWN)
    app.include_router(routes.router)
    app.include_router(stream.router)
    app.add_exception_handler(RequestError, _on_fault)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_middleware(Gate, settings=settings, keys=keys, metrics=metrics)
    if settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key", "Content-Type", REQUEST_ID],
            expose_headers=[REQUEST_ID, "Retry-After"],
        )
    if page is not None and (page / "index.html").is_file():
        app.mount("/", StaticFiles(directory=page, html=True), name="page")
    return app


def open_app(settings: ServeSettings | None = None) -> FastAPI:
    """An app that opens its own models; without settings it takes those of the environment. A factory for uvicorn.

    Raises:
        SorituneError: a setting, a model or the file of keys is faulty.
    """
    settings = settings_in() if settings is None else settings
    map_large_arrays()
    metrics, trimmer = Metrics(), Trimmer()

    def observe(*facts: Any) -> None:
        trimmer.worked()
        metrics.observe_batch(*facts)

    return build_app(ServedModels.open(settings, observe), settings, metrics=metrics, trimmer=trimmer)


async def _on_fault(request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, RequestError)
    request.state.facts["code"] = fault.code
    return JSONResponse(
        fault.to_json(request.state.request_id), status_code=fault.status, headers=fault.headers
    )


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    """The first fault of a form as one sentence."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    message = f"{field[:100]}: {first['msg']}"
    return await _on_fault(request, RequestError(422, message, "invalid-field"))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    """Errors of the framework, such as an unknown route."""
    assert isinstance(error, HTTPException)
    return await _on_fault(request, RequestError(error.status_code, str(error.detail), "http"))
