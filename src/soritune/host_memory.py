"""Memory of this machine, or of the container that this process runs in if its limit is lower."""

from __future__ import annotations

from pathlib import Path

GB = 1e9
_GROUP = Path("/sys/fs/cgroup")


def total_gb() -> float:
    """Memory that there is, used or not."""
    import psutil  # type: ignore[import-untyped,unused-ignore]

    total = float(psutil.virtual_memory().total)
    limit = _limit()
    return (total if limit is None else min(total, limit)) / GB


def available_gb() -> float:
    """Memory that this process could still get."""
    import psutil  # type: ignore[import-untyped,unused-ignore]

    free, limit = float(psutil.virtual_memory().available), _limit()
    if limit is not None:
        free = min(free, limit - float((_GROUP / "memory.current").read_text()))
    return max(free, 0.0) / GB


def _limit() -> float | None:
    """Bytes that Linux allows the processes of the container; None without a limit."""
    try:
        text = (_GROUP / "memory.max").read_text().strip()
    except OSError:
        return None
    return float(text) if text.isdecimal() else None
