"""A made-up installation of soritune: its metadata, and the versions of what it requires."""

from __future__ import annotations

import importlib.metadata
from email.message import Message
from importlib.metadata import PackageNotFoundError

import pytest

REQUIREMENTS = [
    "numpy<3,>=2",
    "pyyaml>=6",
    'tzdata; sys_platform == "none"',
    'torch<3,>=2.6; extra == "train"',
    'peft<1,>=0.18; extra == "train"',
    'onnxruntime>=1.20; extra == "onnx"',
    'soritune[onnx]; extra == "export"',
    'onnx>=1.18; extra == "export"',
    'soritune[train]; extra == "dev"',
    'pytest>=8; extra == "dev"',
]


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Makes `importlib.metadata` report soritune with `REQUIREMENTS`, and these packages (`_` is `-`) alone."""
    installed = {name.replace("_", "-"): version for name, version in versions.items()}

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    stated = Message()
    for extra in ("train", "onnx", "export", "dev"):
        stated["Provides-Extra"] = extra
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: REQUIREMENTS)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: stated)
