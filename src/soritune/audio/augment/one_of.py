"""One augmentation of a list, and sometimes a second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, field_serializer, field_validator

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.masks import Masking
from soritune.audio.augment.mixing import Mixing
from soritune.audio.augment.selection import Selection
from soritune.audio.augment.settings import AugmentSettings
from soritune.draws import RowDraws


class OneOf(Selection):
    """Changes an utterance by one augmentation of a list with `probability`, and by a second one with
    `second_probability`.

    The second draw is made only where there is a first one: with 0.5 and 0.2, 50 % of the utterances are unchanged,
    40 % are changed by one augmentation and 10 % by two. The second is another member than the first. Members of the
    list are equally likely in both draws, and are applied in the order of the list.
    """

    probability: float = Field(0.5, ge=0, le=1)
    """Share of utterances that are changed."""
    second_probability: float = Field(0.2, ge=0, le=1)
    """Share of the changed utterances that a second augmentation changes."""
    among: AugmentSettings
    """The augmentations with their settings, without `probability`."""

    @field_validator("among")
    @classmethod
    def _plain(cls, among: AugmentSettings) -> AugmentSettings:
        if not among.members:
            raise ValueError("name at least one augmentation")
        for key, member in among.members.items():
            if isinstance(member, Selection):
                raise ValueError(f"{key} is a choice itself; name its augmentations here instead")
            if "probability" in member.model_fields_set:
                raise ValueError(
                    f"{key}.probability has no effect, because one_of.probability decides; leave it out"
                )
        return among

    @field_serializer("among", mode="wrap")
    def _without_probability(
        self, among: AugmentSettings, dump: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """As `_plain` takes them: a recipe that was written can be read again."""
        written: dict[str, Any] = dump(among)
        return {
            key: member and {name: value for name, value in member.items() if name != "probability"}
            for key, member in written.items()
        }

    @property
    def choices(self) -> Mapping[str, Augmentation | Masking | Mixing]:
        """The members of `among`."""
        members = self.among.members.items()
        return {f"among.{key}": member for key, member in members if not isinstance(member, Selection)}

    @property
    def at_most(self) -> int:
        """One or two; none where nothing is changed."""
        if self.probability == 0:
            return 0
        return 2 if self.second_probability > 0 and len(self.choices) > 1 else 1

    def chosen(self, rng: RowDraws) -> NDArray[np.bool_]:
        """(rows, members): at most two in a row."""
        count, rows = len(self.choices), np.arange(len(rng))
        first = (rng.uniform("first") * count).astype(np.int64)
        is_changed = rng.occurs(self.probability)
        chosen = np.zeros((len(rng), count), dtype=bool)
        chosen[rows, first] = is_changed
        if self.at_most == 2:
            further = 1 + (rng.uniform("second") * (count - 1)).astype(np.int64)
            is_changed_twice = is_changed & (rng.uniform("second?") < self.second_probability)
            chosen[rows, (first + further) % count] |= is_changed_twice
        return chosen


AUGMENTATION = OneOf
