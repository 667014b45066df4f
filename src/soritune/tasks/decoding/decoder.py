"""The contract of a decoder: log-probabilities of one CTC output in, symbols with their frames out. Next: `greedy.py`.

A file in this folder that binds a subclass of `Decoder` to `DECODER` adds a decoder under its file name; other
packages join through the entry-point group `soritune.tasks.decoding`. Tasks are given a decoder, so that a beam or a
language model changes no task.

Shapes: (frames, labels) for log-probabilities, (symbols,) for what is decoded; always one utterance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from soritune.errors import TaskError
from soritune.registry import load_member
from soritune.settings import faults_of

GREEDY = "greedy"
"""The decoder that is used where none is named, and in validation during training."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Symbols of one utterance in order, with how sure the model was and where they lie."""

    symbols: tuple[str, ...]
    log_probabilities: NDArray[np.float32]
    """(symbols,) natural logarithm of the probability that the model gives each symbol in its first frame; scores of
    a language model are not part of it."""
    first_frames: NDArray[np.int64]
    """(symbols,) index of the first frame of each symbol, from 0; never falls."""
    last_frames: NDArray[np.int64]
    """(symbols,) index of its last frame, which still belongs to it; before the first frame of the next symbol."""

    def __len__(self) -> int:
        return len(self.symbols)

    def without(self, dropped: Collection[str]) -> Decoded:
        """The same without the symbols that are in `dropped`."""
        kept = [index for index, symbol in enumerate(self.symbols) if symbol not in dropped]
        return Decoded(
            tuple(self.symbols[index] for index in kept),
            self.log_probabilities[kept],
            self.first_frames[kept],
            self.last_frames[kept],
        )

    @property
    def confidence(self) -> float:
        """Mean probability of the symbols in their first frames, six decimals; 0 where there are no symbols."""
        return round(float(np.exp(self.log_probabilities).mean()), 6) if len(self) else 0.0


class DecoderSettings(BaseModel):
    """Settings of a decoder; a decoder subclasses this with its own. Unknown keys are refused.

    `name` is taken: a decoder is written as `{"name": …}` with its settings beside the name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Decoder(ABC):
    """Reads one CTC output at a time; holds nothing of the utterance before.

    The constructor takes the subclass's `Settings` and nothing else, so that `make_decoder(decoder.to_json())` is
    the same decoder: this is how a predictions file names it.
    """

    name: ClassVar[str]
    """Its name in the open folder."""
    Settings: ClassVar[type[DecoderSettings]] = DecoderSettings

    def __init__(self, settings: DecoderSettings | None = None) -> None:
        self.settings: DecoderSettings = self.Settings() if settings is None else settings

    @abstractmethod
    def decode(self, log_probabilities: NDArray[np.float32], labels: Sequence[str], blank: int) -> Decoded:
        """Reads one utterance.

        Args:
            log_probabilities: (frames, labels) natural logarithms; zero frames give no symbols.
            labels: label of each column.
            blank: index of the blank among the labels; the blank is never among the symbols.
        """

    def to_json(self) -> dict[str, Any]:
        """`{"name": …, **settings}`; `make_decoder` reads it."""
        return {"name": self.name, **self.settings.model_dump(mode="json")}


def make_decoder(given: str | Mapping[str, Any] | Decoder | None) -> Decoder:
    """The decoder that is meant by a name, by `{"name": …}` with settings beside it, or by a decoder itself; None is
    the greedy one.

    Raises:
        UnknownNameError: no decoder of this name.
        TaskError: settings that the decoder does not take, or something that names no decoder.
    """
    if isinstance(given, Decoder):
        return given
    settings = dict(given) if isinstance(given, Mapping) else {"name": GREEDY if given is None else given}
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise TaskError(
            f"{given!r} names no decoder; give a name such as '{GREEDY}', or a mapping such as "
            f"{{name: {GREEDY}}} with the decoder's settings beside the name"
        )
    kind = decoder_kind(name)
    try:
        return kind(kind.Settings.model_validate(settings))
    except ValidationError as error:
        raise TaskError(f"decoder '{name}': {'; '.join(faults_of(error, kind.Settings))}") from None


def decoder_kind(name: str) -> type[Decoder]:
    """The class of the decoder `name`.

    Raises:
        UnknownNameError: no decoder of this name.
        TaskError: what a package offers under this name is not a decoder, or is one of another name.
    """
    kind: object = load_member("soritune.tasks.decoding", "DECODER", name, "decoder")
    if not (isinstance(kind, type) and issubclass(kind, Decoder)):
        raise TaskError(f"'{name}' of soritune.tasks.decoding is {kind!r}; it must be a subclass of Decoder")
    if getattr(kind, "name", None) != name:
        raise TaskError(
            f"the decoder '{name}' calls itself '{getattr(kind, 'name', None)}'; its `name` must be that of its "
            "file or entry point, since predictions are recorded by it"
        )
    return kind


def record_of(decoder: Decoder) -> dict[str, Any] | None:
    """What files say of the decoder that made them: nothing of the greedy one."""
    return None if decoder.name == GREEDY else decoder.to_json()


def decoder_text(record: Mapping[str, Any] | None) -> str:
    """What `record_of` gave, as people read it: `beam (width 8)`."""
    settings = {key: value for key, value in (record or {}).items() if key != "name"}
    shown = ", ".join(f"{key} {value}" for key, value in settings.items())
    return str((record or {}).get("name", GREEDY)) + (f" ({shown})" if shown else "")
