"""How much memory a step takes, on a GPU or on the host. Next: `training/find_batch.py`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import torch

from soritune.host_memory import GB, available_gb


class MemoryGauge(Protocol):
    """Measures the peak of steps over different numbers of utterances of one length.

    Attributes:
        limit_gb: memory that may be used.
        peaks_gb: peak by number of utterances, of the steps measured so far.
    """

    limit_gb: float
    peaks_gb: dict[int, float]

    def measured(self, utterances: int) -> AbstractContextManager[bool]:
        """Notes the peak of the block, which must run the step only if True is yielded."""
        ...


def memory_gauge(device: torch.device, memory_gb: float | None) -> MemoryGauge:
    """The gauge of a device; `memory_gb` limits what may be used, None takes all that is free."""
    return CudaGauge(memory_gb, device) if device.type == "cuda" else HostGauge(memory_gb)


class CudaGauge:
    """Memory of a GPU. Its allocator raises by itself when there is no more."""

    def __init__(self, memory_gb: float | None, device: torch.device) -> None:
        self.device, self.peaks_gb = device, dict[int, float]()
        free, total = torch.cuda.mem_get_info(device)
        self.limit_gb = (free + torch.cuda.memory_reserved(device)) / GB
        if memory_gb is not None:
            self.limit_gb = min(memory_gb, self.limit_gb)
            torch.cuda.set_per_process_memory_fraction(min(memory_gb * GB / total, 1.0), device)

    @contextmanager
    def measured(self, utterances: int) -> Iterator[bool]:
        """Notes the peak of the block; always yields True."""
        torch.cuda.reset_peak_memory_stats(self.device)
        yield True
        torch.cuda.synchronize(self.device)
        self.peaks_gb[utterances] = torch.cuda.max_memory_reserved(self.device) / GB


class HostGauge:
    """Memory of this process on the host.

    The system would end the process rather than refuse memory, so a step is not tried if the ones before predict that
    it will not fit: memory grows linearly with the number of utterances of one length.
    """

    def __init__(self, memory_gb: float | None) -> None:
        self.peaks_gb = dict[int, float]()
        self.limit_gb = memory_gb or resident_gb() + 0.9 * available_gb()

    @contextmanager
    def measured(self, utterances: int) -> Iterator[bool]:
        """Notes the peak of the block; yields False if the step is not expected to fit."""
        if self.expected_gb(utterances) > self.limit_gb:
            yield False
            return
        reset_peak()
        yield True
        self.peaks_gb[utterances] = peak_gb()

    def expected_gb(self, utterances: int) -> float:
        """Peak of a step, on the straight line through the two largest measured ones."""
        measured = sorted(self.peaks_gb)
        if not measured:
            return resident_gb()
        if len(measured) == 1:
            return self.peaks_gb[measured[0]]
        few, many = measured[-2:]
        slope = (self.peaks_gb[many] - self.peaks_gb[few]) / (many - few)
        return self.peaks_gb[many] + max(slope, 0.0) * (utterances - many)


def resident_gb() -> float:
    """Memory this process holds now."""
    import psutil  # type: ignore[import-untyped,unused-ignore]

    return float(psutil.Process().memory_info().rss) / GB


def reset_peak() -> None:
    """Resets Linux's high-water mark of resident memory (man 5 proc, clear_refs)."""
    # If that is refused, the mark is the highest so far: steps that grow are still measured correctly.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_gb() -> float:
    """Most memory this process held since `reset_peak`."""
    marks = [float(line.split()[1]) for line in _status_lines() if line.startswith("VmHWM:")]
    return (marks[0] * 1024 if marks else _peak_bytes()) / GB


def _status_lines() -> list[str]:
    """What Linux states about this process; nothing on other systems."""
    try:
        return Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _peak_bytes() -> float:
    """Most memory this process ever held, on systems without /proc."""
    import psutil  # type: ignore[import-untyped,unused-ignore]

    peak = getattr(
        psutil.Process().memory_info(), "peak_wset", None
    )  # Windows, which has no module `resource`
    if peak is not None:
        return float(peak)
    import resource

    # In bytes on macOS, in KiB elsewhere (man 2 getrusage).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
