"""The folder is the registry: a file in an open folder that binds the contract's name is a member.

`tasks/emotion.py` binds `TASK`, so it is the task `emotion`; nothing lists it anywhere. Underscores in file
names are hyphens in the names people type. Packages outside soritune join through an entry-point group named
after the folder (`soritune.tasks`, `soritune.corpus.sources`, `soritune.export`).

A package that cannot be imported must not stop the work that does not need it: lists leave its member out and log a
warning; an error is raised where that member is asked for.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from soritune.errors import MemberError, UnknownNameError

logger = logging.getLogger(__name__)
_SearchPath = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Member:
    """What a file of an open folder, or an entry point, adds."""

    value: Any
    """The object bound to the contract's name."""
    package: str
    """Name of the installed package that brings it."""


@dataclass(frozen=True, slots=True)
class Members:
    """All members of an open folder."""

    usable: dict[str, Member] = field(default_factory=dict)
    """By name."""
    faults: dict[str, str] = field(default_factory=dict)
    """Name of a member of another package → why it cannot be used, in a sentence."""


def member_names(package: str) -> list[str]:
    """Names of the files of `package` (public ones), and of entry points in the group `package`, sorted.

    No member is imported. The contract's own file (`tasks/task.py`) is listed too: `load_member` refuses it.
    """
    return sorted({file.replace("_", "-") for file in _files(package)} | _offers(package).keys())


def load_member(package: str, attribute: str, name: str, kind: str) -> Any:
    """The object bound to `attribute` in the member `name` of `package`.

    Raises:
        UnknownNameError: no such member; the message names the known ones and the nearest.
        MemberError: another package brings it and cannot be imported, or two packages bring it.
    """
    files = {file.replace("_", "-"): file for file in _files(package)}
    in_folder = _in_folder(package, attribute, files[name]) if name in files else None
    offers = _offers(package).get(name, [])
    if offers:
        return _offered(package, name, offers, in_folder).value
    if in_folder is not None:
        return in_folder.value
    raise _unknown(kind, name, all_members(package, attribute))


def load_identifier(package: str, attribute: str, name: str, kind: str) -> Any:
    """As `load_member`, for names that code and JSON write with underscores: `cross_entropy`, not `cross-entropy`.

    Raises:
        UnknownNameError: no such member; the message names the known ones and the nearest.
        MemberError: another package brings it and cannot be imported, or two packages bring it.
    """
    known = {member.replace("-", "_"): member for member in member_names(package)}
    try:
        if name in known:
            return load_member(package, attribute, known[name], kind)
    except UnknownNameError:
        pass  # a file of the folder that is not a member
    raise _unknown(kind, name, all_members(package, attribute), lambda member: member.replace("-", "_"))


def members(package: str, attribute: str, fits: Callable[[Any], bool] | None = None) -> dict[str, Any]:
    """All usable members of `package` by name: every file binding `attribute`, and every entry point.

    `fits` is as for `all_members`.
    """
    return {name: member.value for name, member in all_members(package, attribute, fits).usable.items()}


def all_members(package: str, attribute: str, fits: Callable[[Any], bool] | None = None) -> Members:
    """Every file of `package` that binds `attribute`, and every entry point of the group `package`.

    A member of another package that cannot be used is among the faults, and a warning is logged once.

    Args:
        package: the open folder.
        attribute: name that its files bind.
        fits: whether an object keeps the contract; None takes any.
    """
    found = Members()
    for file in _files(package):
        member = _in_folder(package, attribute, file)
        if member is not None:
            found.usable[file.replace("_", "-")] = member
    for name, offers in _offers(package).items():
        try:
            member = _offered(package, name, offers, found.usable.pop(name, None))
            if fits is not None and not fits(member.value):
                raise MemberError(
                    f"'{name}' of {package}, which the package {member.package} offers, is {member.value!r}, which "
                    f"does not keep the contract of this folder; update or remove {member.package}"
                )
            found.usable[name] = member
        except MemberError as error:
            found.faults[name] = str(error)
            _warn_once(str(error), tuple(sys.path))
    return found


def _unknown(
    kind: str, name: str, known: Members, spelt: Callable[[str], str] = lambda member: member
) -> UnknownNameError:
    return UnknownNameError(kind, name, map(spelt, known.usable), known.faults.values())


def _files(package: str) -> list[str]:
    """Modules of the folder without those that begin with an underscore."""
    folder = importlib.import_module(package)
    return [info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_")]


def _offers(package: str) -> dict[str, list[EntryPoint]]:
    """The entry points of the group `package` by name; several where packages offer the same name."""
    offers: dict[str, list[EntryPoint]] = {}
    for entry in _entry_points(package, _search_path()):
        same_name = offers.setdefault(entry.name, [])
        if all(entry.value != other.value for other in same_name):
            same_name.append(entry)
    return offers


def _in_folder(package: str, attribute: str, file: str) -> Member | None:
    """The member in a file of the folder; None where it binds none."""
    module = importlib.import_module(f"{package}.{file}")
    return Member(getattr(module, attribute), "soritune") if hasattr(module, attribute) else None


def _offered(package: str, name: str, offers: list[EntryPoint], in_folder: Member | None) -> Member:
    """The member that other packages offer under a name.

    Raises:
        MemberError: a package that cannot be imported, or several packages with this name, soritune among them.
    """
    packages = ["soritune"] * (in_folder is not None) + [_package_of(entry) for entry in offers]
    if len(packages) > 1:
        raise MemberError(
            f"'{name}' of {package} is offered by several packages: {' and '.join(packages)}; remove all but one"
        )
    entry, search_path = offers[0], _search_path()
    fault = _import_faults.get((entry, search_path))
    if fault is None:
        try:
            return Member(entry.load(), packages[0])
        except Exception as error:  # any error may come out of another package's module
            logger.debug("traceback", exc_info=True)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            fault = (
                f"'{name}' of {package}, which the package {packages[0]} offers, cannot be imported ({reason}); "
                f"repair or remove {packages[0]}"
            )
            _import_faults[entry, search_path] = fault
    raise MemberError(fault)


def _package_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module


_import_faults: dict[tuple[EntryPoint, _SearchPath], str] = {}
"""A failed import is not tried again before the search path changes: it may be slow."""


@lru_cache(maxsize=64)
def _entry_points(group: str, search_path: _SearchPath) -> tuple[EntryPoint, ...]:
    """The entry points of a group; reading those of all installed packages takes tens of milliseconds."""
    return tuple(importlib.metadata.entry_points(group=group))


def _search_path() -> _SearchPath:
    """`sys.path` with the times of change of its folders: what is installed or removed changes it."""
    return tuple((folder, _changed_ns(folder)) for folder in sys.path)


def _changed_ns(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=256)
def _warn_once(sentence: str, folders: tuple[str, ...]) -> None:
    """Logs a warning, if it is new for these folders of packages."""
    logger.warning(sentence)
