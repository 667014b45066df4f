"""What the settings of a recipe have in common: unknown keys are refused, and what is wrong is said in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from soritune.errors import RecipeError, nearest


class Settings(BaseModel):
    """Unknown keys are refused; values are checked again when they are changed from Python."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets a checked value; after a refusal everything is as before.

        Raises:
            RecipeError: no such setting, or a value it cannot have.
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


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per fault: path, what came, what was expected, the nearest known key."""
    lines = []
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"])
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
            said = fault["msg"].removeprefix("Value error, ")
            # A fault between several fields has no path, and what came is the whole object.
            came = f"{path}: {said} (got {fault.get('input')!r})" if path else said
            lines.append(came[:300])
    return lines


def keys_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Keys that `path` can have below it; none where no settings are there, as in a free mapping."""
    current: Any = model
    for part in path:
        field = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        candidates = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if current is None:
            return []
    return list(current.model_fields)
