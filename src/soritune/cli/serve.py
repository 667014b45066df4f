"""`soritune serve`: models behind HTTP and WebSocket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.cli.model_options import Backend, Device
from soritune.cli.terminal import print_error


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Bundle or run folders, or models of the package; NAME=FOLDER names one."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    backend: Backend = "auto",
    device: Device = "auto",
    vad: Annotated[
        Literal["auto", "silero", "energy", "off"], typer.Option(help="What finds speech, as in predict.")
    ] = "auto",
    asr_model: Annotated[
        str | None,
        typer.Option(
            help="Recogniser of words for transcriptions: a CTranslate2 folder or a hub name (extra asr)."
        ),
    ] = None,
    enable_emotion: Annotated[
        bool,
        typer.Option(
            "--enable-emotion", help="Answer for emotions; read docs/serving.md about the law first."
        ),
    ] = False,
    api_keys: Annotated[
        Path | None, typer.Option(help="File with a line 'SHA256  NAME' per API key.")
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(help="Origin of a page on another server that may use this one; may be repeated."),
    ] = None,
    max_mb: Annotated[
        float, typer.Option(min=0.01, help="Largest body of a request, in MB of 1,000,000 bytes.")
    ] = 26.2144,
    max_seconds: Annotated[float, typer.Option(min=1, help="Longest recording.")] = 600.0,
    max_files: Annotated[int, typer.Option(min=1, help="Most recordings of one request.")] = 32,
    max_concurrent: Annotated[
        int, typer.Option(min=1, help="Requests in progress per process; then 503.")
    ] = 64,
    max_per_client: Annotated[
        int | None,
        typer.Option(min=1, help="Requests in progress, and streams, per API key or address; then 429."),
    ] = None,
    max_streams: Annotated[int, typer.Option(min=1, help="Open WebSocket streams per process.")] = 16,
    answer_seconds: Annotated[
        float, typer.Option(min=0.1, help="Longest time for an answer; then 503.")
    ] = 60.0,
    batch_seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Budget of a batch: clips × longest, in seconds.")
    ] = None,
    drain_seconds: Annotated[
        int, typer.Option(min=0, help="Time for requests in progress when the server is stopped.")
    ] = 25,
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        typer.Option(help="Of the JSON lines on standard error."),
    ] = "INFO",
) -> None:
    """Serve models by HTTP and WebSocket until the process is stopped (extra serve)."""
    from soritune.serving.server import run
    from soritune.serving.settings import ServeSettings

    settings = ServeSettings(
        models=tuple(models or ()),
        backend=backend,
        device=device,
        vad=vad,
        asr_model=asr_model,
        enable_emotion=enable_emotion,
        max_bytes=max(1024, round(max_mb * 1e6)),
        max_seconds=max_seconds,
        max_files=max_files,
        max_concurrent=max_concurrent,
        max_per_client=max_per_client,
        max_streams=max_streams,
        answer_seconds=answer_seconds,
        batch_seconds=batch_seconds,
        drain_seconds=drain_seconds,
        api_keys=api_keys,
        cors=tuple(cors or ()),
        host=host,
        port=port,
        workers=workers,
        log_level=log_level,
    )
    names = ", ".join(settings.models) or DEFAULT_MODEL
    print_error(f"opening {names} …", style="dim")
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    run(settings, lambda: print_error(f"ready on {address}; Ctrl+C stops", style="dim"))
