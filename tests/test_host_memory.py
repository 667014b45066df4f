from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from soritune import host_memory


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The files of a container on a machine with 8 GB, 6 GB of them free."""
    monkeypatch.setattr(host_memory, "_GROUP", tmp_path)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=8e9, available=6e9))
    return tmp_path


def test_memory_is_that_of_the_machine_without_a_container(group: Path) -> None:
    assert (host_memory.total_gb(), host_memory.available_gb()) == (8.0, 6.0)


def test_memory_is_that_of_the_machine_if_the_container_has_no_limit(group: Path) -> None:
    (group / "memory.max").write_text("max\n")
    assert (host_memory.total_gb(), host_memory.available_gb()) == (8.0, 6.0)


@pytest.mark.parametrize(("limit", "total", "free"), [(4e9, 4.0, 3.0), (64e9, 8.0, 6.0), (5e8, 0.5, 0.0)])
def test_limit_of_a_container_counts_if_it_is_lower(
    group: Path, limit: float, total: float, free: float
) -> None:
    (group / "memory.max").write_text(f"{limit:.0f}\n")
    (group / "memory.current").write_text("1000000000\n")
    assert (host_memory.total_gb(), host_memory.available_gb()) == (total, free)
