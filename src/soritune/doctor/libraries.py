"""Installed versions of the libraries that soritune requires, as its metadata states the requirements."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from soritune.extras import install_command

State = Literal["installed", "missing", "conflict"]
OTHER_BUILDS = {"onnxruntime": ("onnxruntime-gpu",)}
"""Library → packages that provide the same modules for other devices."""
_FOR_DEVELOPMENT = ("dev", "peers")


@dataclass(frozen=True, slots=True)
class Library:
    """A required library."""

    name: str
    """Of the package that is installed, or else of the one that is required."""
    required: str
    """Range of versions, such as ">=2.6,<3"; "" for any."""
    version: str | None
    """The installed one."""
    state: State

    @property
    def problem(self) -> str | None:
        """The conflict in a sentence."""
        if self.state != "conflict":
            return None
        return f"{self.name} {self.version} is installed, but soritune needs {self.required}"


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of the package."""

    name: str
    libraries: tuple[Library, ...]

    @property
    def state(self) -> State:
        """The worst state of its libraries."""
        states = {library.state for library in self.libraries}
        return "missing" if "missing" in states else "conflict" if "conflict" in states else "installed"

    @property
    def command(self) -> str:
        """What installs it."""
        return install_command(self.name)


def required_libraries() -> tuple[tuple[Library, ...], tuple[Extra, ...]] | None:
    """The libraries of the core, and the extras with theirs; None if soritune is not installed as a package."""
    try:
        texts = importlib.metadata.requires("soritune") or []
        names = importlib.metadata.metadata("soritune").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return None
    requirements = [Requirement(text) for text in texts]
    core = tuple(_library(each) for each in requirements if _applies(each, ""))
    extras = (
        Extra(name, tuple(map(_library, _of_extra(requirements, name))))
        for name in names
        if name not in _FOR_DEVELOPMENT
    )
    return core, tuple(extras)


def _of_extra(requirements: Sequence[Requirement], extra: str) -> list[Requirement]:
    """What an extra adds to the core. A requirement of further extras of soritune stands for what these add."""
    added = []
    for each in requirements:
        if _applies(each, "") or not _applies(each, extra):
            continue
        if canonicalize_name(each.name) == "soritune":
            added += [inner for name in sorted(each.extras) for inner in _of_extra(requirements, name)]
        else:
            added.append(each)
    return added


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _library(requirement: Requirement) -> Library:
    required = str(requirement.specifier)
    for name in (requirement.name, *OTHER_BUILDS.get(canonicalize_name(requirement.name), ())):
        try:
            version = importlib.metadata.version(name) or "unknown"
        except PackageNotFoundError:
            continue
        try:
            fits = requirement.specifier.contains(version, prereleases=True)
        except InvalidVersion:
            fits = False
        return Library(name, required, version, "installed" if fits else "conflict")
    return Library(requirement.name, required, None, "missing")
