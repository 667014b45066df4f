"""The versions that a card records."""

from __future__ import annotations

import importlib.metadata
import platform

import numpy as np
import pytest

from soritune.bundles.versions import versions


def test_installed_packages_are_recorded_and_missing_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    read_version = importlib.metadata.version

    def without_peft(package: str) -> str:
        if package == "peft":
            raise importlib.metadata.PackageNotFoundError(package)
        return read_version(package)

    monkeypatch.setattr("soritune.bundles.versions.importlib.metadata.version", without_peft)
    recorded = versions()
    assert recorded["python"] == platform.python_version()
    assert recorded["numpy"] == np.__version__
    assert "peft" not in recorded
