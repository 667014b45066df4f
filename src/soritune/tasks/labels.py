"""Label sets, and what several tasks do with them: greedy CTC reading, one-hot targets, settings shared by outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soritune.errors import TaskError, nearest
from soritune.tasks.task import TaskConfig

BLANK = "[PAD]"
"""The CTC blank. wav2vec2 checkpoints use the padding token for it."""
UNKNOWN = "[UNK]"
SPECIAL_TOKENS: tuple[str, ...] = (BLANK, UNKNOWN, "<s>", "</s>")


class OutputSettings(TaskConfig):
    """What a recipe may say of an output, whatever the task."""

    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Factor of this output's loss in the total."""
    layer: int | str = "last"
    """What the head reads: "last", "weighted" (learnt sum of all layers) or the number of a transformer layer."""


def label_index(label: str, labels: Sequence[str], what: str) -> int:
    """Position of `label` in `labels`.

    Raises:
        TaskError: not among them; the message names the set and the nearest.
    """
    try:
        return labels.index(label)
    except ValueError:
        hint = nearest(label, labels)
        tail = f"; did you mean '{hint}'?" if hint else ""
        shown = ", ".join(labels) if len(labels) <= 12 else f"{len(labels)} symbols"
        raise TaskError(f"{what} '{label}' is not in the label set ({shown}){tail}") from None


def symbol_ids(symbols: Sequence[str], index: Mapping[str, int], what: str) -> NDArray[np.int64]:
    """Label ids (symbols,) of a CTC target.

    Args:
        index: label to its place in the logits.
        what: what a symbol is called in an error.

    Raises:
        TaskError: a symbol is not among the labels.
    """
    for symbol in symbols:
        if symbol not in index:
            label_index(symbol, tuple(index), what)
    return np.asarray([index[symbol] for symbol in symbols], dtype=np.int64)


def one_hot(index: int, size: int) -> NDArray[np.float32]:
    """Vector (size,) of zeros with a one at `index`."""
    target = np.zeros(size, dtype=np.float32)
    target[index] = 1.0
    return target


def read_ctc(
    log_probabilities: NDArray[np.float32], blank: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Greedy CTC reading: best label per frame, repeats folded, blanks dropped (Graves et al. 2006, eq. 4).

    Args:
        log_probabilities: (frames, labels); zero frames are allowed.
        blank: index of the blank.

    Returns:
        label ids (symbols,) and, for each, the log-probability at its first frame.
    """
    if len(log_probabilities) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    best = log_probabilities.argmax(axis=1)
    first = np.concatenate([[True], best[1:] != best[:-1]]) & (best != blank)
    frames = np.flatnonzero(first)
    return best[frames].astype(np.int64), log_probabilities[frames, best[frames]]


def read_symbols(
    log_probabilities: NDArray[np.float32], labels: Sequence[str], *, dropped: Collection[str]
) -> tuple[list[str], float]:
    """Greedy CTC reading as symbols, `dropped` ones (and the blank) left out after folding.

    Returns:
        the symbols, and the mean probability of their first frames (0 where there are none).
    """
    ids, scores = read_ctc(log_probabilities, list(labels).index(BLANK))
    kept = [i for i, symbol in enumerate(ids) if labels[symbol] not in dropped]
    confidence = round(float(np.exp(scores[kept]).mean()), 6) if kept else 0.0
    return [labels[ids[i]] for i in kept], confidence


def rate(edits: Any, total: Any) -> float:
    """`edits / total` as a float; nan where `total` is zero."""
    return float(edits) / float(total) if float(total) > 0 else float("nan")
