"""The settings under `augment` in a recipe: members of this folder by key, in the order in which they are applied.

Next: `audio/augment/chain.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.masks import Masking
from soritune.audio.augment.mixing import Mixing
from soritune.audio.augment.selection import Selection
from soritune.errors import AugmentationError, RecipeError, UnknownNameError
from soritune.registry import load_member, member_names, members
from soritune.settings import Settings, faults_of

PACKAGE, ATTRIBUTE = "soritune.audio.augment", "AUGMENTATION"
Member = Augmentation | Masking | Mixing | Selection
Kind = type[Augmentation] | type[Masking] | type[Mixing] | type[Selection]


def kinds() -> dict[str, Kind]:
    """Every augmentation by its key in a recipe, including those of other packages; keys have underscores.

    Entry points that are not augmentations are left out.
    """
    return {_key(name): kind for name, kind in members(PACKAGE, ATTRIBUTE, _is_kind).items()}


def kind_of(key: str) -> Kind | None:
    """The augmentation of a key, or None for an unknown key. Imports no other member.

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
    return isinstance(kind, type) and issubclass(kind, Member)


def _checked_kind(key: str, kind: Any) -> Kind:
    if not _is_kind(kind):
        raise AugmentationError(
            f"augment.{key}: the entry point of {PACKAGE} gives {kind!r}; it must give a subclass of Augmentation, "
            "Masking, Mixing or Selection"
        )
    checked: Kind = kind
    return checked


class AugmentSettings(Settings):
    """Settings by key, each checked by the member with this key.

    A member whose key is missing or None (null) is switched off. Members are attributes too: `augment.speed`.
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
        """Every key and the type of its value."""
        return {key: kind | None for key, kind in kinds().items()}

    @property
    def members(self) -> dict[str, Member]:
        """The members that are switched on, in the order given."""
        return {key: value for key, value in (self.__pydantic_extra__ or {}).items() if value is not None}

    def identity(self) -> list[tuple[str, Any]]:
        """Everything a result depends on, including the order, as plain data."""
        return [(key, member.model_dump(mode="json")) for key, member in self.members.items()]

    def __getattr__(self, name: str) -> Any:
        """The settings of a member; None if it is switched off."""
        if not name.startswith("_"):
            given = self.__pydantic_extra__ or {}
            if name in given:
                return given[name]
            if kind_of(name) is not None:
                return None
        return super().__getattr__(name)  # type: ignore[misc]

    def __setattr__(self, name: str, value: Any) -> None:
        """Checks and sets the settings of a member; a new member is applied last.

        Raises:
            RecipeError: an unknown member, or invalid settings; nothing is changed then.
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
