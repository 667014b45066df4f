"""The folder is the registry: a file in an open folder that binds the contract's name is a member.

`tasks/emotion.py` binds `TASK`, so it is the task `emotion`; nothing lists it anywhere. Underscores in file
names are hyphens in the names people type. Packages outside soritune join through an entry-point group named
after the folder (`soritune.tasks`, `soritune.corpus.sources`, `soritune.export`).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from typing import Any

from soritune.errors import UnknownNameError


def member_names(package: str) -> list[str]:
    """Names of the files of `package` (public ones), and of entry points in the group `package`, sorted.

    No member is imported. The contract's own file (`tasks/task.py`) is listed too: `load_member` refuses it.
    """
    folder = importlib.import_module(package)
    names = {
        m.name.replace("_", "-") for m in pkgutil.iter_modules(folder.__path__) if not m.name.startswith("_")
    }
    return sorted(names | {entry.name for entry in importlib.metadata.entry_points(group=package)})


def load_member(package: str, attribute: str, name: str, kind: str) -> Any:
    """The object bound to `attribute` in the member `name` of `package`.

    Raises:
        UnknownNameError: no such member; the message names the known ones and the nearest.
    """
    for entry in importlib.metadata.entry_points(group=package):
        if entry.name == name:
            return entry.load()
    if name in member_names(package):
        module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
        if hasattr(module, attribute):
            return getattr(module, attribute)
    raise UnknownNameError(kind, name, members(package, attribute))


def load_identifier(package: str, attribute: str, name: str, kind: str) -> Any:
    """As `load_member`, for names that code and JSON write with underscores: `cross_entropy`, not `cross-entropy`.

    Raises:
        UnknownNameError: no such member; the message names the known ones and the nearest.
    """
    known = {member.replace("-", "_"): member for member in member_names(package)}
    try:
        if name in known:
            return load_member(package, attribute, known[name], kind)
    except UnknownNameError:
        pass  # a file of the folder that is not a member
    raise UnknownNameError(kind, name, (member.replace("-", "_") for member in members(package, attribute)))


def members(package: str, attribute: str) -> dict[str, Any]:
    """All members of `package` by name: every file binding `attribute`, and every entry point."""
    found: dict[str, Any] = {}
    folder = importlib.import_module(package)
    for info in pkgutil.iter_modules(folder.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{info.name}")
        if hasattr(module, attribute):
            found[info.name.replace("_", "-")] = getattr(module, attribute)
    for entry in importlib.metadata.entry_points(group=package):
        found[entry.name] = entry.load()
    return found
