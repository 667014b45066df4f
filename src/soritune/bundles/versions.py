"""Versions of the libraries that a model was made with."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = ("soritune", "torch", "transformers", "peft", "safetensors", "numpy")
"""Whose versions a card records."""


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that matter to a model, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
