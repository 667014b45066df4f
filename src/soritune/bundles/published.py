"""The card of a bundle without what is of the machine that trained it: for folders that are published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from soritune.inside_folder import is_absolute

KEY = "hub"
"""The card's key in folders that `soritune export hub` wrote."""
WITH_PATHS = ("recipe", "model", "data", "start")
"""Parts of a card that may contain paths."""
WITHOUT_PATHS = ("tasks", "presets")
"""Parts of a recipe that do not: a label may look like a path."""


def is_machine_path(text: str) -> bool:
    """Whether a text is a path of one machine: absolute, below the home folder, or out of the current one."""
    return (is_absolute(text) or text.startswith(("~", "../", "./", "..\\", ".\\"))) and bool(_name(text))


def published_card(card: Mapping[str, Any], *, base: str | None) -> dict[str, Any]:
    """The card with the last part of each path of a machine in place of the path.

    Args:
        card: of a bundle.
        base: published name of the weights that training started from, which replaces the path of their folder.
    """
    published = dict(card)
    for key in WITH_PATHS:
        if key in card:
            published[key] = _without_paths(card[key])
    if isinstance(encoder := card.get("encoder"), Mapping):
        published["encoder"] = {**encoder, "source": _source(encoder.get("source"), base)}
    if isinstance(stated := card.get("base"), Mapping):
        published["base"] = {**stated, "source": _source(stated.get("source"), base)}
    return published


def _source(source: Any, base: str | None) -> Any:
    if isinstance(source, str) and is_machine_path(source):
        return base or _name(source)
    return source


def _without_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: item if k in WITHOUT_PATHS else _without_paths(item) for k, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(item) for item in value]
    return _name(value) if isinstance(value, str) and is_machine_path(value) else value


def _name(path: str) -> str:
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name
