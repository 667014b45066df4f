"""The common base of recipe settings: unknown keys are refused, and each fault is reported in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import indent
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from soritune.errors import RecipeError, nearest, reason_of

if TYPE_CHECKING:
    import yaml


class Settings(BaseModel):
    """A model that refuses unknown keys and also checks values assigned from Python."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, allow_inf_nan=False)

    @classmethod
    def key_types(cls) -> dict[str, Any]:
        """Every key and the type of its value."""
        return {name: field.annotation for name, field in cls.model_fields.items()}

    def __repr__(self) -> str:
        """The settings that differ from their defaults, as YAML below the name."""
        changed = self.model_dump(mode="json", exclude_defaults=True)
        if not changed:
            return f"{type(self).__name__} (defaults)"
        import yaml  # not needed where settings are only read

        text = yaml.safe_dump(changed, allow_unicode=True, sort_keys=False)
        return f"{type(self).__name__}\n{indent(text.rstrip(), '  ')}"

    def __setattr__(self, name: str, value: Any) -> None:
        """Checks and sets a value; a refused value changes no setting.

        Raises:
            RecipeError: no such setting, or an invalid value.
        """
        if name not in type(self).model_fields:
            hint = nearest(name, type(self).model_fields)
            tail = (
                f"did you mean '{hint}'?" if hint else f"known: {', '.join(sorted(type(self).model_fields))}"
            )
            raise RecipeError(type(self).__name__, [f"{name}: unknown setting; {tail}"])
        values, given = dict(self.__dict__), set(self.__pydantic_fields_set__)
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            self.__dict__.update(values)
            self.__pydantic_fields_set__.clear()
            self.__pydantic_fields_set__.update(given)
            raise RecipeError(type(self).__name__, faults_of(error, type(self))) from None


def faults_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[str]:
    """One line per fault: path (below `prefix`), what came, what was expected, the nearest known key."""
    lines = []
    faults = [{**fault, "msg": plain_message(fault)} for fault in error.errors()]
    for fault in _merge_kinds(faults, model):
        path = ".".join(str(part) for part in (prefix, *fault["loc"]) if part != "")
        if fault["type"] == "extra_forbidden":
            known = keys_at(model, fault["loc"][:-1])
            hint = nearest(str(fault["loc"][-1]), known)
            tail = (
                f"did you mean '{hint}'?" if hint else f"known here: {', '.join(sorted(known)) or 'nothing'}"
            )
            lines.append(f"{path}: unknown key; {tail}")
        elif fault["type"] == "missing":
            lines.append(f"{path}: missing; give it a value")
        else:
            # A fault between several fields has no path, and its input is the whole object.
            line = f"{path}: {fault['msg']}" if path else fault["msg"]
            line += f" (got {fault.get('input')!r})" if fault["loc"] else ""
            lines.append(line[:300])
    return lines


def plain_message(fault: Any) -> str:
    """What is wrong, in words of this package: the message of its validator, or that of pydantic without its terms.

    Args:
        fault: an element of `ValidationError.errors()`.
    """
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    if fault["type"] == "extra_forbidden":
        return "unknown key"
    message = re.sub(
        r", unable to .*|, got a number with a fractional part| or instance of \w+", "", fault["msg"]
    )
    message = re.sub(r"^(Input|List|Tuple|String|Dictionary|Set|Value) should ", "must ", message)
    message = re.sub(r" after validation, not (\d+)$", r", not \1", message)
    for term, words in _KINDS.items():
        message = message.replace(f"be {term}", f"be {words}").replace(f"or {term}", f"or {words}")
    return message


def _merge_kinds(faults: Sequence[Any], model: type[BaseModel]) -> list[dict[str, Any]]:
    """One fault per value: the faults of a value that may have several kinds are merged, without the kinds' names."""
    merged: dict[Any, dict[str, Any]] = {}
    entered = set()
    for number, fault in enumerate(faults):
        depth = _union_depth(model, fault["loc"])
        if depth is None:
            merged[number] = dict(fault)
            continue
        field, inside = fault["loc"][:depth], fault["loc"][depth + 1 :]
        renamed = {**fault, "loc": (*field, *(part for part in inside if part != "[key]"))}
        if inside:  # the fault is inside the intended kind; the faults of the other kinds are dropped
            if "[key]" in inside and fault["type"] == "string_pattern_mismatch":
                renamed["msg"] = f"the name has invalid characters; it must match {fault['ctx']['pattern']}"
            merged.pop(field, None)
            entered.add(field)
            merged[renamed["loc"]] = renamed
        elif field in merged:
            merged[field]["msg"] += f" or {renamed['msg'].removeprefix('must be ')}"
        elif field not in entered:
            merged[field] = renamed
    return list(merged.values())


_KINDS = {
    "a valid tuple": "a list",
    "a valid list": "a list",
    "a valid dictionary": "a mapping",
    "a valid boolean": "true or false",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
}
"""Terms of pydantic, and what they are called here."""


def _union_depth(model: type[BaseModel], path: Sequence[int | str]) -> int | None:
    """Length of the part of a fault's path that names a field of several kinds; the next part names the kind.

    None if the path has no such field.
    """
    current: Any = model
    for depth, part in enumerate(path[:-1], start=1):
        annotation = _key_types(current).get(part)
        if annotation is None:
            return None
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        if get_origin(annotation) in (Union, UnionType) and len(kinds) > 1:
            return depth
        current = next((c for c in (annotation, *kinds) if _is_settings(c)), None)
        if current is None:
            return None
    return None


def _key_types(model: Any) -> dict[Any, Any]:
    if isinstance(model, type) and issubclass(model, Settings):
        return dict(model.key_types())
    return {name: field.annotation for name, field in getattr(model, "model_fields", {}).items()}


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def keys_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """The known keys below `path`; empty if the value is not a settings object, as in a free mapping."""
    current: Any = model
    for part in path:
        if isinstance(part, int):  # an index into a list of settings
            continue
        annotation = _key_types(current).get(part)
        current = next((c for c in (annotation, *get_args(annotation)) if _is_settings(c)), None)
        if current is None:
            return []
    return list(_key_types(current))


_YAML_PROBLEMS = (
    ("mapping values are not allowed here", "there is a ':' too many, or the line is indented wrongly"),
    (
        "cannot start any token",
        "there is a character that cannot begin a value, such as a tab; indent with spaces",
    ),
    ("<stream end>", "a bracket or quotation mark is not closed before the end of the file"),
    ("<block end>", "the line is indented otherwise than those above it"),
    ("expected ',' or", "a comma or a closing bracket is missing"),
    ("found unexpected end of stream", "a quotation mark is not closed"),
)
"""Parts of what the YAML library reports, and what they mean for the author of a recipe."""


def yaml_fault(error: yaml.YAMLError) -> str:
    """Where a YAML text is faulty and why, as `line 3, column 7: a bracket is not closed`."""
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    mark = getattr(error, "problem_mark", None)
    where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
    return where + next((text for part, text in _YAML_PROBLEMS if part in problem), problem)


def first_fault(error: Exception) -> str:
    """The first fault of an error, in a few words on one line."""
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        path = ".".join(str(part) for part in fault["loc"])
        return f"{path}: {plain_message(fault)}" if path else plain_message(fault)
    if isinstance(error, KeyError):
        return f"no '{error.args[0]}'"
    return reason_of(error)
