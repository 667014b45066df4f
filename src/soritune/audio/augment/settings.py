"""What a recipe says under `augment`: members of this folder by name, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.masks import Masking
from soritune.audio.augment.mixing import Mixing
from soritune.errors import AugmentationError, RecipeError, UnknownNameError
from soritune.registry import load_member, member_names, members
from soritune.settings import Settings, faults_of

PACKAGE, ATTRIBUTE = "soritune.audio.augment", "AUGMENTATION"
Member = Augmentation | Masking | Mixing
Kind = type[Augmentation] | type[Masking] | type[Mixing]


def kinds() -> dict[str, Kind]:
    """Every augmentation by its key in a recipe, those of other packages included. Keys have underscores, as those of
    all settings. What is not an augmentation is left out."""
    return {_key(name): kind for name, kind in members(PACKAGE, ATTRIBUTE, _is_kind).items()}


def kind_of(key: str) -> Kind | None:
    """The augmentation of a key, or None where there is none. Imports no other member.

    Raises:
        AugmentationError: what another package offers under this key is not an augmentation.
    """
    names = {_key(name): name for name in member_names(PACKAGE)}
    if key not in names:
        return None
    try:
        return _checked_kind(key, load_member(PACKAGE, ATTRIBUTE, names[key], "augmentation"))
    except UnknownNameError:  # a file of the folder that is not a member, such as a contract
        return None


def _key(name: str) -> str:
    return name.replace("-", "_")


def _is_kind(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Augmentation | Masking | Mixing)


def _checked_kind(key: str, kind: Any) -> Kind:
    if not _is_kind(kind):
        raise AugmentationError(
            f"augment.{key}: the entry point of {PACKAGE} gives {kind!r}; it must give a subclass of Augmentation, "
            "Masking or Mixing"
        )
    checked: Kind = kind
    return checked


class AugmentSettings(Settings):
    """What is changed in training only: settings by key, each checked by the member of that key.

    A key that is not there is switched off, as is one with None (null). Attributes are the members: `augment.speed`.
    """

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _by_member(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        checked: dict[str, Any] = {}
        faults: list[InitErrorDetails] = []
        for key, value in given.items():
            kind = kind_of(str(key))
            if kind is None:
                unknown = PydanticCustomError("extra_forbidden", "Extra inputs are not permitted")
                faults.append(InitErrorDetails(type=unknown, loc=(str(key),), input=value))
                continue
            try:
                checked[key] = None if value is None else kind.model_validate(value)
            except ValidationError as error:
                faults += _below(key, error)
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return checked

    @classmethod
    def key_types(cls) -> dict[str, Any]:
        """Every key and what it may hold."""
        return {key: kind | None for key, kind in kinds().items()}

    @property
    def members(self) -> dict[str, Member]:
        """What is switched on, in the order given."""
        return {key: value for key, value in (self.__pydantic_extra__ or {}).items() if value is not None}

    def identity(self) -> list[tuple[str, Any]]:
        """What a result depends on, as plain data: the order too."""
        return [(key, member.model_dump(mode="json")) for key, member in self.members.items()]

    def __getattr__(self, name: str) -> Any:
        """The settings of a member; None where it is switched off."""
        if not name.startswith("_"):
            given = self.__pydantic_extra__ or {}
            if name in given:
                return given[name]
            if kind_of(name) is not None:
                return None
        return super().__getattr__(name)  # type: ignore[misc]

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets checked settings of a member; a new one comes last.

        Raises:
            RecipeError: no such member, or settings it cannot have; everything is then as before.
        """
        try:
            checked = type(self).model_validate({**dict(self), name: value})
        except ValidationError as error:
            raise RecipeError(type(self).__name__, faults_of(error, type(self))) from None
        given = self.__pydantic_extra__
        assert given is not None, "extra keys are allowed"
        given[name] = dict(checked)[name]
        self.__pydantic_fields_set__.add(name)


def _below(key: str, error: ValidationError) -> list[InitErrorDetails]:
    """The faults of a member's settings as faults of the whole mapping."""
    faults = []
    for fault in error.errors():
        context = {**fault.get("ctx", {}), "sentence": fault["msg"]}
        same: Any = PydanticCustomError(fault["type"], "{sentence}", context)
        faults.append(InitErrorDetails(type=same, loc=(key, *fault["loc"]), input=fault["input"]))
    return faults
