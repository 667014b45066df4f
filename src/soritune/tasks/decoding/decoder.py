"""The contract of a decoder: log-probabilities of one CTC output in, symbols with their frames out. Next: `greedy.py`.

A file in this folder that binds a subclass of `Decoder` to `DECODER` adds a decoder under its file name; other
packages join through the entry-point group `soritune.tasks.decoding`. Tasks take a decoder as an argument, so a beam
search or a language model needs no change in any task.

Shapes: (frames, labels) for log-probabilities, (symbols,) for decoded symbols; always one utterance.

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
"""Name of the default decoder, which validation during training always uses."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Symbols of one utterance in order, with their log-probabilities and frames."""

    symbols: tuple[str, ...]
    log_probabilities: NDArray[np.float32]
    """(symbols,) natural logarithm of the model's probability of each symbol in its first frame, without scores of a
    language model."""
    first_frames: NDArray[np.int64]
    """(symbols,) index of the first frame of each symbol, from 0; never decreases."""
    last_frames: NDArray[np.int64]
    """(symbols,) index of the last frame of each symbol, inclusive; before the first frame of the next symbol."""

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

    No setting may be called `name`: a decoder is written as `{"name": …}` with its settings beside the name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Decoder(ABC):
    """Reads one CTC output at a time; has no state from earlier utterances.

    The constructor takes the subclass's `Settings` and nothing else, so that `make_decoder(decoder.to_json())` is
    the same decoder: a predictions file stores it this way.
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


def make_decoder(decoder: str | Mapping[str, Any] | Decoder | None) -> Decoder:
    """A decoder from its name, or from `{"name": …}` with settings beside the name.

    A `Decoder` is returned unchanged; None is the greedy one.

    Raises:
        UnknownNameError: no decoder with this name.
        TaskError: settings that the decoder does not have, or a value of another type.
    """
    if isinstance(decoder, Decoder):
        return decoder
    settings = (
        dict(decoder) if isinstance(decoder, Mapping) else {"name": GREEDY if decoder is None else decoder}
    )
    name = settings.pop("name", None)
    if not isinstance(name, str):
        raise TaskError(
            f"{decoder!r} does not name a decoder; give a name such as '{GREEDY}', or a mapping such as "
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
        UnknownNameError: no decoder with this name.
        TaskError: a package offers something else than a decoder, or a decoder of another name, under this name.
    """
    kind: object = load_member("soritune.tasks.decoding", "DECODER", name, "decoder")
    if not (isinstance(kind, type) and issubclass(kind, Decoder)):
        raise TaskError(f"'{name}' of soritune.tasks.decoding is {kind!r}; it must be a subclass of Decoder")
    if getattr(kind, "name", None) != name:
        raise TaskError(
            f"the decoder '{name}' calls itself '{getattr(kind, 'name', None)}'; its `name` must be that of its "
            "file or entry point, since predictions are stored with it"
        )
    return kind


def record_of(decoder: Decoder) -> dict[str, Any] | None:
    """The decoder as files record it; None for the greedy one."""
    return None if decoder.name == GREEDY else decoder.to_json()


def decoder_text(record: Mapping[str, Any] | None) -> str:
    """The text of a record for people: `beam (width 8)`."""
    pairs = ", ".join(f"{key} {value}" for key, value in (record or {}).items() if key != "name")
    return str((record or {}).get("name", GREEDY)) + (f" ({pairs})" if pairs else "")
