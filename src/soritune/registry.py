"""The folder is the registry: a file in an open folder that binds the contract's name is a member.

`tasks/emotion.py` binds `TASK`, so it is the task `emotion`; no list names it. Underscores in file names are
hyphens in the names that users type. Other packages add members through an entry-point group named after the
folder (`soritune.tasks`, `soritune.corpus.sources`, `soritune.export`).

A package that cannot be imported must not stop work that does not need it. Lists omit its member and log a warning;
an error is raised only when that member is requested. So it is with a member of a folder whose library comes with an
extra that is not installed, without the warning.
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

from soritune.errors import MemberError, MissingLibraryError, UnknownNameError
from soritune.extras import missing_library

logger = logging.getLogger(__name__)
_SearchPath = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Member:
    """The object that a file of an open folder, or an entry point, adds."""

    value: Any
    """The object bound to the contract's name."""
    package: str
    """Name of the installed package that provides it."""


@dataclass(frozen=True, slots=True)
class Members:
    """All members of an open folder."""

    usable: dict[str, Member] = field(default_factory=dict)
    """By name."""
    faults: dict[str, str] = field(default_factory=dict)
    """Name of a member that cannot be used → a sentence on the reason."""


def member_names(package: str) -> list[str]:
    """Names of the files of `package` (public ones), and of entry points in the group `package`, sorted.

    No member is imported. The file of the contract (`tasks/task.py`) is listed too; `load_member` refuses it.
    """
    return sorted(
        {file.replace("_", "-") for file in _files(package)} | _entry_points_by_name(package).keys()
    )


def load_member(package: str, attribute: str, name: str, kind: str) -> Any:
    """The object bound to `attribute` in the member `name` of `package`.

    Raises:
        UnknownNameError: no such member; the message lists the known names and the nearest.
        MemberError: another package provides it and cannot be imported, or several packages provide it.
        MissingLibraryError: it needs a library of an extra that is not installed.
    """
    files = {file.replace("_", "-"): file for file in _files(package)}
    in_folder = _in_folder(package, attribute, files[name]) if name in files else None
    entries = _entry_points_by_name(package).get(name, [])
    if entries:
        return _load_external(package, name, entries, in_folder).value
    if in_folder is not None:
        return in_folder.value
    raise _unknown(kind, name, all_members(package, attribute))


def load_identifier(package: str, attribute: str, name: str, kind: str) -> Any:
    """Like `load_member`, for names that code and JSON write with underscores: `cross_entropy`, not `cross-entropy`.

    Raises:
        UnknownNameError: no such member; the message lists the known names and the nearest.
        MemberError: another package provides it and cannot be imported, or several packages provide it.
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

    For `fits` see `all_members`.
    """
    return {name: member.value for name, member in all_members(package, attribute, fits).usable.items()}


def all_members(package: str, attribute: str, fits: Callable[[Any], bool] | None = None) -> Members:
    """Every file of `package` that binds `attribute`, and every entry point of the group `package`.

    A member of another package that cannot be used is listed in the faults, and a warning is logged once.

    Args:
        package: the open folder.
        attribute: name that its files bind.
        fits: whether an object fulfils the contract; None accepts any object.
    """
    known = Members()
    for file in _files(package):
        try:
            member = _in_folder(package, attribute, file)
        except MissingLibraryError as error:
            known.faults[file.replace("_", "-")] = str(error)
            continue
        if member is not None:
            known.usable[file.replace("_", "-")] = member
    for name, entries in _entry_points_by_name(package).items():
        try:
            member = _load_external(package, name, entries, known.usable.pop(name, None))
            if fits is not None and not fits(member.value):
                raise MemberError(
                    f"'{name}' of {package}, which the package {member.package} provides, is {member.value!r}, which "
                    f"does not fulfil the contract of this folder; update or remove {member.package}"
                )
            known.usable[name] = member
        except MemberError as error:
            known.faults[name] = str(error)
            _warn_once(str(error), tuple(sys.path))
    return known


def _unknown(
    kind: str, name: str, known: Members, spell: Callable[[str], str] = lambda member: member
) -> UnknownNameError:
    return UnknownNameError(kind, name, map(spell, known.usable), known.faults.values())


def _files(package: str) -> list[str]:
    """Modules of the folder whose names do not begin with an underscore."""
    folder = importlib.import_module(package)
    return [info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_")]


def _entry_points_by_name(package: str) -> dict[str, list[EntryPoint]]:
    """The entry points of the group `package` by name; several if packages provide the same name."""
    entries: dict[str, list[EntryPoint]] = {}
    for entry in _cached_entry_points(package, _search_path()):
        same_name = entries.setdefault(entry.name, [])
        if all(entry.value != listed.value for listed in same_name):
            same_name.append(entry)
    return entries


def _in_folder(package: str, attribute: str, file: str) -> Member | None:
    """The member in a file of the folder; None if the file does not bind `attribute`.

    Raises:
        MissingLibraryError: it imports a library of an extra that is not installed.
    """
    try:
        module = importlib.import_module(f"{package}.{file}")
    except ModuleNotFoundError as error:
        missing = missing_library(error, f"'{file.replace('_', '-')}' of {package}")
        if missing is None:
            raise
        raise missing from error
    return Member(getattr(module, attribute), "soritune") if hasattr(module, attribute) else None


def _load_external(package: str, name: str, entries: list[EntryPoint], in_folder: Member | None) -> Member:
    """The member that another package provides under a name.

    Raises:
        MemberError: the package cannot be imported, or several packages (soritune included) provide this name.
    """
    packages = ["soritune"] * (in_folder is not None) + [_package_of(entry) for entry in entries]
    if len(packages) > 1:
        raise MemberError(
            f"'{name}' of {package} is provided by several packages: {' and '.join(packages)}; remove all but one"
        )
    entry, search_path = entries[0], _search_path()
    message = _import_faults.get((entry, search_path))
    if message is None:
        try:
            return Member(entry.load(), packages[0])
        except Exception as error:  # another package's module may raise any error
            logger.debug("traceback", exc_info=True)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            message = (
                f"'{name}' of {package}, which the package {packages[0]} provides, cannot be imported ({reason}); "
                f"repair or remove {packages[0]}"
            )
            _import_faults[entry, search_path] = message
    raise MemberError(message)


def _package_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module


_import_faults: dict[tuple[EntryPoint, _SearchPath], str] = {}
"""A failed import may be slow, so it is retried only after the search path changes."""


@lru_cache(maxsize=64)
def _cached_entry_points(group: str, search_path: _SearchPath) -> tuple[EntryPoint, ...]:
    """The entry points of a group, cached: reading those of all installed packages takes tens of milliseconds."""
    return tuple(importlib.metadata.entry_points(group=group))


def _search_path() -> _SearchPath:
    """`sys.path` with the modification times of its folders, which change when a package is installed or removed."""
    return tuple((folder, _changed_ns(folder)) for folder in sys.path)


def _changed_ns(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=256)
def _warn_once(message: str, folders: tuple[str, ...]) -> None:
    """Logs a warning once for these package folders."""
    logger.warning(message)
