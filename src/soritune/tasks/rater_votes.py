"""Several ratings of an utterance as votes for classes, and what reports state about the raters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.metrics.agreement import krippendorff_alpha, pairwise_agreement, single_rater_confusion
from soritune.metrics.classification import confusion_rates
from soritune.tasks.label_names import LabelNames, compose
from soritune.tasks.labels import label_index
from soritune.tasks.ratings import ratings_of
from soritune.tasks.results import Pair, Table

LOW_ALPHA = 0.4
"""Below this alpha, a warning. Krippendorff (2004, "Content Analysis", chapter 11) requires 0.8 and accepts tentative
conclusions where alpha is at least 0.667. Ratings of emotion seldom reach either, so that the warning begins lower."""
TENTATIVE_ALPHA = 0.667


def votes_of(utterance: Utterance, columns: Sequence[str], names: LabelNames) -> NDArray[np.float64] | None:
    """The ratings of each class, (labels,), after `rename` and without those of `leave_out`; None without ratings.

    Raises:
        TaskError: a rating is not a label, or a rater gave several.
    """
    ratings = ratings_of(utterance, columns, names.names)
    if not ratings:
        return None
    votes = np.zeros(len(names.labels))
    for given, count in ratings.items():
        if len(given) != 1:
            raise TaskError(
                f"a rater gave the labels {' and '.join(given)}; give one label for each rater, or use the task "
                "emotion-multilabel",
                "rating-invalid",
            )
        label = names.class_of(names.spelling(given[0]))
        if label is not None:
            votes[label_index(label, names.labels, "rating")] += count
    return votes


def votes_in(reference: Mapping[str, Any], labels: Sequence[str]) -> NDArray[np.float64] | None:
    """The votes (labels,) in the reference of a prediction; None if it has no ratings.

    Raises:
        TaskError: a class is not one of `labels`.
    """
    ratings = reference.get("ratings")
    if not ratings:
        return None
    votes = np.zeros(len(labels))
    for label, count in ratings.items():
        votes[label_index(compose(label), labels, "rating")] += count
    return votes


def votes_json(votes: NDArray[np.float64], labels: Sequence[str]) -> dict[str, int]:
    """The classes with ratings and how many, as JSON."""
    return {label: int(count) for label, count in zip(labels, votes, strict=True) if count}


def stacked_votes(pairs: Sequence[Pair], labels: Sequence[str]) -> NDArray[np.float64]:
    """(rated rows, labels) votes of the pairs that have ratings."""
    rows = [votes for pair in pairs if (votes := votes_in(pair.reference, labels)) is not None]
    return np.stack(rows) if rows else np.zeros((0, len(labels)))


def agreement_table(votes: NDArray[np.float64], note: str = "") -> Table:
    """How far raters agree, and what one of them reaches who is judged by the majority of the others.

    Args:
        votes: (rated rows, labels).
        note: added to that of the table.
    """
    of_row = votes.sum(axis=1)
    paired = of_row >= 2
    rows: list[tuple[Any, ...]] = [
        ("ratings per utterance, mean", len(votes), float(of_row.mean()) if len(votes) else math.nan),
        ("Krippendorff's alpha, nominal", int(paired.sum()), krippendorff_alpha(votes)),
        ("share of pairs of ratings that agree", int(paired.sum()), pairwise_agreement(votes)),
    ]
    confusion = single_rater_confusion(votes)
    if confusion.sum():
        rows.append(
            (
                "mean recall of one rater, by the majority of the others",
                int((of_row >= 3).sum()),
                confusion_rates(confusion)["ua"],
            )
        )
    return Table(
        "Agreement of the raters",
        ("measure", "utterances", "value"),
        tuple(rows),
        " ".join(part for part in (_NOTE, note) if part),
    )


_NOTE = "Alpha is 1 for full agreement and 0 for that of chance. The recall of one rater is comparable to ua."


def agreement_warning(votes: NDArray[np.float64]) -> str | None:
    """A sentence if the raters agree too little for conclusions; None otherwise."""
    alpha = krippendorff_alpha(votes)
    if not alpha < LOW_ALPHA:
        return None
    return (
        f"The raters agree little: Krippendorff's alpha is {alpha:.3f} on {int((votes.sum(axis=1) >= 2).sum())} "
        f"utterances, where below {TENTATIVE_ALPHA} even tentative conclusions are doubtful (Krippendorff 2004)."
    )
