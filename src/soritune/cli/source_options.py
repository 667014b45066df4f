"""Options of the command line that describe how a corpus is read: --set, --field, --constant, --prefix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from soritune.errors import ManifestError


def source_settings(
    source: str,
    paths: Sequence[Path],
    settings: Sequence[str] | None,
    field: Sequence[str] | None,
    constant: Sequence[str] | None,
    prefix: bool,
    start: dict[str, Any] | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Root and settings of a source from the options of the command line, over those of `start`.

    Raises:
        SorituneError: no such source, or an option that it does not take.
    """
    from soritune.corpus.prepare import load_source

    known = load_source(source).Config.model_fields
    config = dict(start or {})
    for name, value in settings_of(
        settings, {name: field.annotation for name, field in known.items()}
    ).items():
        both = isinstance(value, dict) and isinstance(config.get(name), dict)
        config[name] = {**config[name], **value} if both else value
    given = {"fields": pairs(field, "--field"), "constants": constants(constant), "prefix": prefix or None}
    for name, value in given.items():
        if value and name not in known:
            option = {"fields": "--field", "constants": "--constant", "prefix": "--prefix"}[name]
            raise ManifestError(
                f"{option} has no meaning for the source '{source}'; its settings are: {', '.join(known)}"
            )
        if value:
            config[name] = {**config.get(name, {}), **value} if isinstance(value, dict) else value
    if len(paths) > 1:
        if "files" not in known:
            raise ManifestError(f"the source '{source}' takes one folder, got {len(paths)} paths")
        config["files"] = [str(path.absolute()) for path in paths]
    return paths[0], config


def pairs(items: Sequence[str] | None, option: str) -> dict[str, str]:
    """NAME=VALUE options as a dict.

    Raises:
        ManifestError: one has no name or no value, or a name has two values.
    """
    values: dict[str, str] = {}
    for item in items or ():
        name, sign, value = item.partition("=")
        if not sign or not name or not value:
            raise ManifestError(f"{option} expects NAME=VALUE, got '{item}'")
        if values.get(name.strip(), value) != value:
            raise ManifestError(
                f"{option} {name.strip()} is given twice, as '{values[name.strip()]}' and '{value}'"
            )
        values[name.strip()] = value
    return values


def constants(items: Sequence[str] | None) -> dict[str, Any]:
    """The pairs of `--constant`."""
    return dict(pairs(items, "--constant"))


def settings_of(
    items: Sequence[str] | None, kinds: Mapping[str, Any] | None = None, option: str = "--set"
) -> dict[str, Any]:
    """Dotted KEY=VALUE pairs as nested dicts, values read as YAML.

    Args:
        items: the pairs.
        kinds: types of the settings by name. The value of a text setting is taken as typed, unless in quotation marks.
            After the name of a mapping the rest of a KEY, with its dots, is a key of the mapping; settings within
            settings are nested.
        option: its name in error messages.

    Raises:
        ManifestError: an item that is not KEY=VALUE, a value that is not YAML, or two values for one key.
    """
    import yaml

    from soritune.settings import yaml_fault

    settings: dict[str, Any] = {}
    for name, text in pairs(items, option).items():
        kind = (kinds or {}).get(name.split(".", 1)[0])
        *parents, last = (
            name.split(".") if kind is None or _has_settings(kind) else name.split(".", _depth(kind))
        )
        target = settings
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise ManifestError(
                    f"{option} {name}: '{parent}' is given a value of its own too; give one of them"
                )
        plain = _is_text(kind) and not parents and not text.lstrip().startswith(("'", '"'))
        try:
            value = yaml.safe_load(text) if not plain or text in ("null", "~") else text
        except yaml.YAMLError as error:
            raise ManifestError(f"{option} {name}: the value is not YAML ({yaml_fault(error)})") from error
        except RecursionError as error:
            raise ManifestError(f"{option} {name}: the value is not YAML (it is nested too deep)") from error
        target[last] = value
    return settings


def _is_text(kind: Any) -> bool:
    """Whether a setting of this type is text, or text or null."""
    return kind is str or set(get_args(kind)) == {str, type(None)}


def _has_settings(kind: Any) -> bool:
    """Whether a value of this type has settings of its own."""
    from pydantic import BaseModel

    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _depth(kind: Any) -> int:
    """How deeply mappings are nested in a type."""
    inner = max(map(_depth, get_args(kind)), default=0)
    return inner + 1 if get_origin(kind) is dict else inner
