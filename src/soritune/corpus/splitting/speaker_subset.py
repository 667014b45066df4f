"""A subset of a corpus with a given number of hours: whole speakers, with the corpus's shares of age, noise, length.

The distance of a subset from the corpus in a field is the total variation distance of their shares of hours: half the
sum of the absolute differences over the field's values. It is the share of the hours that would have to have another
value; 0 is equal, 1 has nothing in common. Columns are arrays, so that millions of rows take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.grouping import Groups, speakers_of, strata_of, sums_by
from soritune.corpus.splitting.selection_search import Floats, Mask, Wanted, choose
from soritune.errors import SplitError

TOLERANCE = 0.05
"""A subset has the requested hours, and at most this share more."""
_NO_VALUE = "no value"


@dataclass(frozen=True)
class Subset:
    """Whole speakers of a corpus."""

    share: float
    """Of the requested hours; 1 for the whole subset."""
    rows: NDArray[np.int64]
    """Of the manifest, in its order."""
    hours: float
    speakers: int
    distances: dict[str, float]
    """Field → total variation distance from the corpus."""

    def as_json(self) -> dict[str, Any]:
        """The facts about it, without its rows."""
        return {
            "share": self.share,
            "utterances": len(self.rows),
            "hours": self.hours,
            "speakers": self.speakers,
            "distances": self.distances,
        }


@dataclass(frozen=True)
class Population:
    """The speakers of a corpus as sums of hours."""

    speakers: Groups
    units: Floats
    """(speakers, 1 + all strata) hours in total and in each stratum."""
    fields: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    """The values of each field, or the bounds of its bins, in the order of the columns of `units`."""
    hours: float
    """Of all rows, also of those without a speaker."""

    @classmethod
    def of(cls, manifest: Manifest, stratify: Sequence[str]) -> Population:
        """The speakers of a manifest. Numbers with many values are cut at quintiles, rows without a value are one more
        value.

        Raises:
            SplitError: no row has a speaker, or a field has no value in any row.
        """
        speakers, hours = speakers_of(manifest), manifest.durations_s / 3600
        if not len(speakers):
            raise SplitError(
                "a subset consists of whole speakers, and no utterance has one; map it when preparing "
                "(--field speaker=NAME)"
            )
        strata = [_with_missing(groups) for groups in strata_of(manifest, stratify)]
        units = sums_by(speakers.codes, len(speakers), strata, hours)
        values = tuple(groups.names for groups in strata)
        return cls(speakers, units, tuple(stratify), values, float(hours.sum()))

    @property
    def shares(self) -> Floats:
        """(strata,) share of the hours of all speakers in each stratum."""
        total = self.units.sum(axis=0)
        return np.asarray(total[1:] / total[0])

    def distances(self, inside: Mask) -> dict[str, float]:
        """Field → total variation distance between some speakers and all."""
        sums = self.units[inside].sum(axis=0)
        difference = np.abs(sums[1:] / max(sums[0], 1e-12) - self.shares)
        ends = np.cumsum([len(values) for values in self.values])
        parts = np.split(difference, ends[:-1]) if len(ends) else []
        return {name: float(part.sum()) / 2 for name, part in zip(self.fields, parts, strict=True)}

    def subset(self, inside: Mask, share: float) -> Subset:
        """The rows of some speakers, and how they differ from all."""
        rows = np.flatnonzero(np.append(inside, False)[self.speakers.codes])
        hours = float(self.units[inside, 0].sum())
        return Subset(share, rows, hours, int(inside.sum()), self.distances(inside))


def make_subsets(
    manifest: Manifest,
    hours: float,
    *,
    stratify: Sequence[str] = (),
    shares: Sequence[float] = (1.0,),
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> list[Subset]:
    """Subsets of whole speakers with the given hours, and nested shares of them for a curriculum.

    The whole subset is chosen first, then each smaller share out of the next larger one, so that a share contains all
    speakers of the smaller ones. Each is as near to the corpus as the search finds.

    Args:
        manifest: the corpus.
        hours: of the whole subset, above 0.
        stratify: fields (also of `extra`) whose shares of hours should be those of the corpus.
        shares: of `hours`, each above 0 and at most 1; 1 is always among the results.
        tolerance: how much more than `hours` a subset may have, as a share of them.
        seed: another seed gives another subset.

    Returns:
        One subset per share, the smallest first.

    Raises:
        SplitError: it is impossible, and why.
    """
    if not hours > 0:
        raise SplitError(f"the hours of a subset must be above 0, got {hours:g}")
    for share in shares:
        if not 0 < share <= 1:
            raise SplitError(f"a share must be above 0 % and at most 100 %, got {share:.4g}")
    population = Population.of(manifest, stratify)
    inside = np.ones(len(population.speakers), dtype=bool)
    subsets = []
    for share in sorted({*shares, 1.0}, reverse=True):
        inside = _chosen(population, inside, hours * share, share, tolerance, seed)
        subsets.append(population.subset(inside, share))
    return subsets[::-1]


def _chosen(
    population: Population, among: Mask, hours: float, share: float, tolerance: float, seed: int
) -> Mask:
    """Speakers with the given hours out of `among`.

    Raises:
        SplitError: no such speakers were found; the message has the reason.
    """
    most = hours * (1 + tolerance)
    what = f"{hours:g} h" if share == 1 else f"the share of {100 * share:g} % ({hours:g} h)"
    lengths = population.units[among, 0]
    total = float(lengths.sum())
    if total < hours * (1 - 1e-9):
        without = population.hours - total
        more = f" and {without:.4g} h without a speaker" if share == 1 and without > 1e-6 else ""
        raise SplitError(f"{what} cannot be taken: the speakers have {total:.4g} h in all{more}")
    fitting = lengths[lengths <= most * (1 + 1e-9)]
    reached = float(fitting.sum())
    if reached < hours * (1 - 1e-9):
        longer = len(lengths) - len(fitting)
        only = f"the others have only {reached:.4g} h" if len(fitting) else "there are no others"
        who = "1 speaker has" if longer == 1 else f"{longer:,} speakers have"
        raise SplitError(
            f"{what} cannot be taken: {who} more than that (the longest {lengths.max():.4g} h), a speaker is never "
            f"divided, and {only}; ask for more hours, or allow more with --tolerance (now {100 * tolerance:g} %)"
        )
    wanted = Wanted(hours, most, population.shares, len(population.fields))
    chosen = choose(population.units[among], wanted, seed)
    taken = float(lengths[chosen].sum())
    if not wanted.fits(taken):
        larger = "" if share == 1 else " of the next larger share (another seed chooses others)"
        raise SplitError(
            f"{what} cannot be taken: no set of whole speakers with {hours:.4g} to {most:.4g} h was found among "
            f"{len(lengths):,}{larger}, the nearest has {taken:.4g} h; ask for other hours, or allow more with "
            f"--tolerance (now {100 * tolerance:g} %)"
        )
    inside = np.zeros(len(among), dtype=bool)
    inside[np.flatnonzero(among)[chosen]] = True
    return inside


def _with_missing(groups: Groups) -> Groups:
    """The groups, in which rows without a value are a group of their own."""
    if (groups.codes >= 0).all():
        return groups
    codes = np.where(groups.codes < 0, len(groups), groups.codes)
    return Groups(codes, (*groups.names, _NO_VALUE))
