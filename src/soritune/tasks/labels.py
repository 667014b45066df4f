"""Label sets and what several tasks do with them: targets, decoded symbols, settings shared by outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.errors import TaskError, nearest
from soritune.korean.hangul import composed
from soritune.tasks.decoding.decoder import Decoder
from soritune.tasks.decoding.greedy import GreedyDecoder
from soritune.tasks.task import TaskConfig

BLANK = "[PAD]"
"""The CTC blank. wav2vec2 models use the padding token for it."""
UNKNOWN = "[UNK]"
SPECIAL_TOKENS: tuple[str, ...] = (BLANK, UNKNOWN, "<s>", "</s>")
_GREEDY = GreedyDecoder()


class OutputSettings(TaskConfig):
    """Settings of an output, for any task."""

    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of this output's loss in the total."""
    layer: int | str | tuple[int, ...] = "last"
    """What the head reads: "last", "weighted" (learnt sum of all layers), the number of a transformer layer, or several
    numbers, whose states are joined."""


def label_index(label: str, labels: Sequence[str], what: str) -> int:
    """Index of `label` in `labels`.

    Args:
        label: any text.
        labels: the label set.
        what: the noun for a label in an error.

    Raises:
        TaskError: not in the set; the message names the set and the nearest label.
    """
    try:
        return labels.index(label)
    except ValueError:
        hint = nearest(label, labels)
        tail = f"; did you mean '{hint}'?" if hint else ""
        shown = ", ".join(labels) if len(labels) <= 12 else f"{len(labels)} symbols"
        raise TaskError(
            f"{what} '{label}' is not in the label set ({shown}){tail}", "label-unknown"
        ) from None


def symbol_ids(symbols: Sequence[str], index: Mapping[str, int], what: str) -> NDArray[np.int64]:
    """Label ids (symbols,) of a CTC target.

    Args:
        symbols: labels, without blanks.
        index: label to its column of the logits.
        what: the noun for a symbol in an error.

    Raises:
        TaskError: a symbol is not a label.
    """
    for symbol in symbols:
        if symbol not in index:
            label_index(symbol, tuple(index), what)
    return np.asarray([index[symbol] for symbol in symbols], dtype=np.int64)


def in_spelling_of(symbols: Sequence[str], labels: Mapping[str, Any]) -> list[str]:
    """The symbols, each in the spelling of the label that it is: ç as one character and as c with a cedilla are one.

    Args:
        symbols: any texts.
        labels: the keys are the label set.
    """
    if all(symbol in labels for symbol in symbols):
        return list(symbols)
    spellings = {composed(label): label for label in labels}
    return [symbol if symbol in labels else spellings.get(composed(symbol), symbol) for symbol in symbols]


def one_hot(index: int, size: int) -> NDArray[np.float32]:
    """Vector (size,) of zeros with a one at `index`."""
    target = np.zeros(size, dtype=np.float32)
    target[index] = 1.0
    return target


def read_symbols(
    log_probabilities: NDArray[np.float32],
    labels: Sequence[str],
    *,
    dropped: Collection[str],
    decoder: Decoder | None = None,
) -> tuple[list[str], float]:
    """The symbols of a CTC output, without the blank and the `dropped` ones.

    Args:
        log_probabilities: (frames, labels).
        labels: label of each column, `BLANK` among them.
        dropped: labels that are not symbols of the task; they are removed after decoding.
        decoder: None is the greedy one.

    Returns:
        The symbols, and the mean probability of their first frames (0 without symbols).
    """

    decoded = (decoder or _GREEDY).decode(log_probabilities, labels, list(labels).index(BLANK))
    kept = decoded.without(dropped)
    return list(kept.symbols), kept.confidence


def rate(edits: Any, total: Any) -> float:
    """`edits / total` as a float; nan where `total` is zero."""
    return float(edits) / float(total) if float(total) > 0 else float("nan")
