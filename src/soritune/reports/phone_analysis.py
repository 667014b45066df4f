"""Errors of a model by phone: the share of each with an interval over speakers, and what was recognised instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.inference.json_values import without_nan
from soritune.metrics.bootstrap import Interval, speaker_intervals
from soritune.metrics.share_interval import wilson
from soritune.reports.grouping import UNKNOWN
from soritune.tasks.phones.phone_errors import confusion_counts, phones_of_pair
from soritune.tasks.results import Pair

NOT_RECOGNISED, INSERTED = "not recognised", "inserted"
CONFUSIONS_LISTED = 3
"""What was recognised instead of a phone, commonest first."""


@dataclass(frozen=True, slots=True)
class PhoneShare:
    """How often one phone was not recognised as itself."""

    symbol: str
    total: int
    errors: int
    share: Interval
    """Over speakers."""
    instead: tuple[tuple[str | None, int], ...]
    """The commonest recognised phones with their numbers; None where nothing was recognised."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        instead = [{"phone": phone, "times": times} for phone, times in self.instead]
        return {
            "phone": self.symbol,
            "occurrences": self.total,
            "errors": self.errors,
            "share": self.share.to_json(),
            "instead": instead,
        }


@dataclass(frozen=True, slots=True)
class PhoneAnalysis:
    """Errors of one model by phone."""

    labels: tuple[str, ...]
    """The phones that occur, in the order of the inventory."""
    confusion: NDArray[np.float64]
    """(phones + 1, phones + 1), as `tasks/phones/phone_errors.py: confusion_counts` has it."""
    phones: tuple[PhoneShare, ...]
    """Weakest first: by the lower end of the Wilson interval of their share, which moves rare phones back."""

    @classmethod
    def of(
        cls, pairs: Sequence[Pair], inventory: Sequence[str], *, resamples: int = 1000, seed: int = 0
    ) -> PhoneAnalysis | None:
        """Counts the pairs of a task; None if none has phones."""
        sides = [(str(pair.groups.get("speaker") or UNKNOWN), phones_of_pair(pair)) for pair in pairs]
        known = [(speaker, phones) for speaker, phones in sides if phones is not None]
        if not known:
            return None
        seen = {symbol for _, (reference, hypothesis) in known for symbol in (*reference, *hypothesis)}
        labels = (*(p for p in inventory if p in seen), *sorted(seen - set(inventory)))
        index = {symbol: number for number, symbol in enumerate(labels)}
        by_speaker: dict[str, NDArray[np.float64]] = {}
        for speaker, (reference, hypothesis) in known:
            counts = confusion_counts(reference, hypothesis, index)
            by_speaker[speaker] = by_speaker.get(speaker, 0) + counts
        confusion = np.sum(list(by_speaker.values()), axis=0)
        totals, right = confusion[:-1].sum(axis=1), confusion.diagonal()[:-1]
        shares = _shares(list(by_speaker.values()), labels, resamples, seed)
        phones = [
            PhoneShare(
                symbol,
                int(totals[number]),
                int(totals[number] - right[number]),
                shares[symbol],
                _instead(confusion[number], number, labels),
            )
            for number, symbol in enumerate(labels)
            if totals[number]
        ]
        return cls(labels, confusion, tuple(sorted(phones, key=_weakness)))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what cannot be computed is null."""
        content: dict[str, Any] = without_nan(
            {
                "phones": [phone.to_json() for phone in self.phones],
                "confusion": {
                    "expected": [*self.labels, INSERTED],
                    "recognised": [*self.labels, NOT_RECOGNISED],
                    "counts": self.confusion.astype(int).tolist(),
                },
            }
        )
        return content


def _shares(
    counts: Sequence[NDArray[np.float64]], labels: Sequence[str], resamples: int, seed: int
) -> dict[str, Interval]:
    def rates(summed: dict[str, NDArray[np.float64]]) -> dict[str, float]:
        totals, wrong = summed["totals"], summed["wrong"]
        with np.errstate(invalid="ignore"):
            return dict(zip(labels, (wrong / totals).tolist(), strict=True))

    per_speaker = []
    for matrix in counts:
        totals = matrix[:-1].sum(axis=1)
        per_speaker.append({"totals": totals, "wrong": totals - matrix.diagonal()[:-1]})
    return speaker_intervals(per_speaker, rates, resamples=resamples, seed=seed)


def _instead(row: NDArray[np.float64], own: int, labels: Sequence[str]) -> tuple[tuple[str | None, int], ...]:
    names: list[str | None] = [*labels, None]
    order = sorted((column for column in range(len(row)) if column != own), key=lambda column: -row[column])
    return tuple((names[column], int(row[column])) for column in order[:CONFUSIONS_LISTED] if row[column])


def _weakness(phone: PhoneShare) -> tuple[float, str]:
    return (-wilson(phone.errors, phone.total)[0], phone.symbol)
