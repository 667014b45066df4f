"""Versions of the libraries that a model was made with."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = ("soritune", "torch", "transformers", "peft", "safetensors", "numpy")
"""The packages whose versions a card records."""


def versions() -> dict[str, str]:
    """Versions of Python and of those `PACKAGES` that are installed."""
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
