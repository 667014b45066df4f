from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from soritune.training import memory_gauge
from soritune.training.memory_gauge import (
    HostGauge,
    peak_gb,
    reset_peak,
    resident_gb,
)


def gauge_of(monkeypatch: pytest.MonkeyPatch, peaks: dict[int, float], limit_gb: float) -> HostGauge:
    """A gauge whose process holds 0.5 GB before the first step and these peaks in steps."""
    monkeypatch.setattr(memory_gauge, "resident_gb", lambda: 0.5)
    gauge = HostGauge(limit_gb)
    for utterances, peak in peaks.items():
        monkeypatch.setattr(memory_gauge, "peak_gb", lambda peak=peak: peak)
        with gauge.measured(utterances) as allowed:
            assert allowed
    return gauge


@pytest.mark.parametrize(
    ("peaks", "expected"),
    [
        ({}, 0.5),  # what the process holds now
        ({1: 0.7}, 0.7),  # one point gives no slope
        ({1: 0.7, 2: 0.9}, 2.1),  # 0.2 GB per utterance: 0.9 + 6 · 0.2
        ({1: 0.9, 2: 0.9, 4: 1.3}, 2.1),  # the two largest steps: 1.3 + 4 · 0.2
        ({1: 0.9, 2: 0.8}, 0.8),  # no negative slope
    ],
)
def test_peak_of_eight_utterances_is_extrapolated(
    monkeypatch: pytest.MonkeyPatch, peaks: dict[int, float], expected: float
) -> None:
    assert gauge_of(monkeypatch, peaks, limit_gb=9.0).expected_gb(8) == pytest.approx(expected)


def test_step_beyond_the_limit_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.2 GB per utterance: 5 utterances take 1.5 GB, 6 take 1.7 GB."""
    gauge = gauge_of(monkeypatch, {1: 0.7, 2: 0.9}, limit_gb=1.6)
    with gauge.measured(6) as allowed:
        assert not allowed
    assert 6 not in gauge.peaks_gb
    with gauge.measured(5) as allowed:
        assert allowed


def test_high_water_mark_includes_freed_memory() -> None:
    reset_peak()
    before = peak_gb()
    block = np.ones(25_000_000)  # 0.2 GB
    del block
    assert peak_gb() - before == pytest.approx(0.2, abs=0.05)
    assert resident_gb() < before + 0.1


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("linux", 1024)])
def test_high_water_mark_without_proc_is_in_the_unit_of_the_system(
    monkeypatch: pytest.MonkeyPatch, platform: str, unit: int
) -> None:
    usage = SimpleNamespace(ru_maxrss=5_000_000)
    monkeypatch.setattr("resource.getrusage", lambda who: usage)
    monkeypatch.setattr(memory_gauge.sys, "platform", platform)
    monkeypatch.setattr(memory_gauge, "_status_lines", lambda: [])
    assert peak_gb() == pytest.approx(0.005 * unit)


def test_high_water_mark_of_windows_comes_from_its_working_set(monkeypatch: pytest.MonkeyPatch) -> None:
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=2_000_000_000))
    monkeypatch.setattr("psutil.Process", lambda: process)
    monkeypatch.setattr(memory_gauge, "_status_lines", lambda: [])
    assert peak_gb() == pytest.approx(2.0)


class Card:
    """A GPU of 8 GB, 6 GB of them free, of which this process has reserved 1 GB more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fraction: float | None = None
        self.reserved = 1_000_000_000
        for name in ("mem_get_info", "memory_reserved", "max_memory_reserved"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        for name in ("reset_peak_memory_stats", "synchronize"):
            monkeypatch.setattr(torch.cuda, name, lambda device: None)
        monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", self.limit)

    def mem_get_info(self, device: Any) -> tuple[int, int]:
        return 6_000_000_000, 8_000_000_000

    def memory_reserved(self, device: Any) -> int:
        return self.reserved

    def max_memory_reserved(self, device: Any) -> int:
        return 2_500_000_000

    def limit(self, fraction: float, device: Any) -> None:
        self.fraction = fraction


@pytest.mark.parametrize(
    ("memory_gb", "limit_gb", "fraction"), [(None, 7.0, None), (2.0, 2.0, 0.25), (20.0, 7.0, 1.0)]
)
def test_gpu_memory_is_limited_to_what_is_free(
    monkeypatch: pytest.MonkeyPatch, memory_gb: float | None, limit_gb: float, fraction: float | None
) -> None:
    card = Card(monkeypatch)
    gauge = memory_gauge.memory_gauge(torch.device("cuda"), memory_gb)
    assert gauge.limit_gb == pytest.approx(limit_gb)
    assert card.fraction == fraction
    with gauge.measured(3) as allowed:
        assert allowed
    assert gauge.peaks_gb == {3: pytest.approx(2.5)}
