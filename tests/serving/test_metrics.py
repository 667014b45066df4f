from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from soritune.serving.metrics import Metrics

WORKER = """
from soritune.serving.metrics import Metrics, forget_dead_processes
forget_dead_processes()
metrics = Metrics()
metrics.requests.labels("/v1/phonemes", "200").inc(2)
metrics.in_progress.inc(3)
"""
READER = """
from soritune.serving.metrics import Metrics, forget_dead_processes
forget_dead_processes()
print(Metrics().text().decode())
"""


def values(text: str) -> dict[str, float]:
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counts_are_in_the_format_of_prometheus() -> None:
    metrics = Metrics()
    metrics.requests.labels("/v1/phonemes", "200").inc()
    metrics.observe_batch("m", 3)
    found = values(metrics.text().decode())
    assert found["soritune_requests_total"] == 1
    assert found["soritune_batch_clips_sum"] == 3


def test_two_apps_of_one_process_count_by_themselves() -> None:
    first, second = Metrics(), Metrics()
    first.streams.inc()
    assert values(second.text().decode())["soritune_streams"] == 0


def test_counts_of_workers_add_up_and_those_in_progress_die_with_them(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    for code in (WORKER, WORKER):
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    done = subprocess.run(
        [sys.executable, "-c", READER], env=environment, check=True, capture_output=True, text=True
    )
    found = values(done.stdout)
    assert found["soritune_requests_total"] == 4
    assert found.get("soritune_requests_in_progress", 0) == 0
