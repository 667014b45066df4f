"""soritune: from a Korean speech corpus to a judged, usable model. Use from Python: docs/python.md.

The public names load on first use, so that importing the package loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Console": "soritune.progress",
    "Predictor": "soritune.inference.predictor",
    "Preprocessing": "soritune.audio.preprocessing",
    "Utterance": "soritune.corpus.utterance",
    "calibrate": "soritune.stages.calibrate",
    "evaluate": "soritune.stages.evaluate",
    "load_manifest": "soritune.corpus.manifest",
    "load_recipe": "soritune.recipe",
    "make_manifest": "soritune.corpus.lists",
    "plot_history": "soritune.reports.history",
    "run": "soritune.stages.run",
    "show_history": "soritune.reports.history",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'soritune' has no attribute '{name}'")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("soritune")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted(__all__)
