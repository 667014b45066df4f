"""Gaps between groups of speakers or recordings, such as ages, sexes, first languages and levels of noise.

A gap is the rate of a group minus that of the largest group of the same field. Its interval is over speakers: both
groups are sums over the same drawn speakers, so that speakers who are in both (of noisy and quiet clips) are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from soritune.inference.json_values import without_nan
from soritune.metrics.bootstrap import RELIABLE_SPEAKERS, Interval, paired_difference
from soritune.reports.grouping import UNKNOWN
from soritune.reports.score import CountedPairs
from soritune.reports.scores import GroupScores
from soritune.tasks.results import Counts, add_counts

FIELDS = ("age", "gender", "first_language", "snr_db")
"""Fields whose groups are analysed, where the rows have them."""
FIELD_TITLES = {"age": "Age", "gender": "Sex", "first_language": "First language", "snr_db": "SNR (dB)"}
MOST_GROUPS = 12
"""A field with more groups is left out: names, not groups."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A group against the largest one of its field."""

    group: str
    against: str
    difference: Interval
    """Of the primary rate, the group's minus the other's; reliable with at least 10 speakers in both."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"group": self.group, "against": self.against, "difference": self.difference.to_json()}


@dataclass(frozen=True, slots=True)
class FieldGroups:
    """The groups of one field with their rates and gaps."""

    field: str
    groups: Mapping[str, GroupScores]
    gaps: tuple[Gap, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what cannot be computed is null."""
        content: dict[str, Any] = without_nan(
            {
                "groups": {name: group.to_json() for name, group in self.groups.items()},
                "gaps": [gap.to_json() for gap in self.gaps],
            }
        )
        return content


def field_groups(counted: CountedPairs, fields: Sequence[str] = FIELDS) -> list[FieldGroups]:
    """The groups of each field that the rows have in at least two groups."""
    scores = counted.scores(fields, num_unlabelled=0).groups
    found = []
    for field in fields:
        groups = scores.get(field, {})
        if len([name for name in groups if name != UNKNOWN]) >= 2 and len(groups) <= MOST_GROUPS:
            found.append(FieldGroups(field, groups, _gaps(counted, field, groups)))
    return found


def _gaps(counted: CountedPairs, field: str, groups: Mapping[str, GroupScores]) -> tuple[Gap, ...]:
    positions = counted.positions(field)
    known = [name for name in groups if name != UNKNOWN]
    largest = max(known, key=lambda name: groups[name].num_utterances)
    rate = counted.task.primary_metric.name
    gaps = []
    for name in known:
        if name == largest:
            continue
        speakers = list(counted.by_speaker)
        first, second = (_by_speaker(counted, positions[side], speakers) for side in (largest, name))
        difference = paired_difference(
            first, second, counted.task.rates, resamples=counted.resamples, seed=counted.seed
        )[rate]
        fewest = min(groups[side].num_speakers for side in (largest, name))
        gaps.append(
            Gap(name, largest, replace(difference, num_speakers=fewest, reliable=fewest >= RELIABLE_SPEAKERS))
        )
    return tuple(gaps)


def _by_speaker(counted: CountedPairs, positions: Sequence[int], speakers: Sequence[str]) -> list[Counts]:
    """The counts of each speaker in one group; zeros for a speaker without any."""
    parts: dict[str, list[Counts]] = {speaker: [] for speaker in speakers}
    for position in positions:
        parts[counted.speakers.names[position]].append(counted.counts[position])
    zeros = {key: np.zeros_like(value) for key, value in next(iter(counted.by_speaker.values())).items()}
    return [add_counts(parts[speaker]) if parts[speaker] else zeros for speaker in speakers]
