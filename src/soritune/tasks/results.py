"""What tasks make of a model's outputs: predictions, counts that add up, named rates, and parts of a report.

Plain data; the contract that produces it is `tasks/task.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

# ── predictions ──


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a task read from the outputs for one utterance; plain JSON values only."""

    task: str
    fields: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """`{"task": …, **fields}`."""
        return {"task": self.task, **self.fields}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Prediction:
        """Reads what `to_json` wrote."""
        return cls(data["task"], {k: v for k, v in data.items() if k != "task"})


@dataclass(frozen=True, slots=True)
class Pair:
    """A prediction and the reference it is judged against."""

    id: str
    reference: Mapping[str, Any]
    """`Task.reference(utterance)`."""
    prediction: Prediction
    groups: Mapping[str, Any] = field(default_factory=dict)
    """speaker, gender, age …: fields by which scores may be grouped."""
    duration_s: float = 0.0
    audio: str | None = None


class Column(NamedTuple):
    """A column of the table that `soritune predict` prints."""

    title: str
    field: str
    """Field of the prediction; its value may be absent or None."""
    kind: Literal["text", "number", "share"] = "text"
    """Text (a list is joined by spaces), a number as it is, or a share from 0 to 1 in percent."""
    empty: str = ""
    """Shown for an empty list."""


class Guess(NamedTuple):
    """A baseline: a prediction made from the reference alone, without audio."""

    name: str
    description: str
    """What is predicted, as part of a sentence."""
    answer: Callable[[Mapping[str, Any]], Prediction]
    """`Task.reference(utterance)` to the prediction."""


# ── counts and rates ──

Counts = dict[str, NDArray[np.float64]]
"""Sums over utterances from which every rate of a task is computed; they add, so groups and bootstraps are sums."""


def add_counts(parts: Iterable[Counts]) -> Counts:
    """Key-wise sum; an empty iterable gives an empty dict."""
    total: Counts = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total[key] + value if key in total else np.array(value, dtype=np.float64)
    return total


class Metric(NamedTuple):
    """A named rate and its better direction."""

    name: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class RateDescription:
    """How reports describe a rate and write its values."""

    title: str
    """What it is, as part of a sentence: "phone error rate, without word boundaries"."""
    higher_is_better: bool
    is_share: bool = True
    """A share from 0 to 1, written in percent; else any number, written with four decimals."""
    known_as: str = ""
    """A common name that summaries on one line put before the rate's own: "accuracy" for wa."""
    needs_probabilities: bool = False
    """Whether it is computed from probabilities. A `Guess` has no probabilities, so baselines have no such rate."""


# ── parts of a report ──


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report section: `columns` head the cells of each of `rows`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    phones: tuple[str, ...] = ()
    """The columns whose cells are phones of the task's inventory; a report may write them as letters or in IPA."""
    compared: tuple[str, ...] = ()
    """The columns that a report also has of the model before fine-tuning; its rows are found by the first column."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A square count matrix of a report section (rows: reference, columns: prediction); drawn as a heat map."""

    title: str
    labels: tuple[str, ...]
    counts: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Reference and hypothesis symbols of one utterance, side by side (None marks a gap), for the report."""

    id: str
    reference: tuple[str | None, ...]
    hypothesis: tuple[str | None, ...]
    is_of_phones: bool = True
    """Whether the symbols are phones."""


@dataclass(frozen=True, slots=True)
class Section:
    """One task's part of the report."""

    title: str
    tables: tuple[Table, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    alignments: tuple[Alignment, ...] = ()
    """Worst cases first."""
