"""What a server counts, for Prometheus. Nothing in it comes from a recording or names a person."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Variable with the folder in which worker processes share their counts; prometheus_client reads it when imported."""
CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_CLIPS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "soritune_requests", "Answered requests", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "soritune_request_seconds",
            "From the first byte to the answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "soritune_requests_in_progress",
            "Requests that are worked on or wait",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.streams = Gauge(
            "soritune_streams", "Open streams", registry=self.registry, multiprocess_mode="livesum"
        )
        self.audio_seconds = Counter(
            "soritune_audio_seconds", "Audio that was answered for", ["model"], registry=self.registry
        )
        self.batch_clips = Histogram(
            "soritune_batch_clips", "Clips per batch", ["model"], buckets=_CLIPS, registry=self.registry
        )
        self.partials = Counter(
            "soritune_stream_partials",
            "Partial results of streams that were due",
            ["outcome"],
            registry=self.registry,
        )

    def observe_batch(self, model: str, clips: int) -> None:
        """Counts a batch."""
        self.batch_clips.labels(model).observe(clips)

    def text(self) -> bytes:
        """All counts, of all worker processes where there are several."""
        if MULTIPROCESS not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def forget_dead_processes() -> None:
    """Drops what processes that were killed had in progress. A worker calls it when it starts."""
    folder = os.environ.get(MULTIPROCESS)
    if folder is None:
        return
    processes = {path.stem.rpartition("_")[2] for path in Path(folder).glob("gauge_live*.db")}
    for process in processes:
        if process.isdigit() and not _is_alive(int(process)):
            mark_process_dead(int(process))  # type: ignore[no-untyped-call]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
