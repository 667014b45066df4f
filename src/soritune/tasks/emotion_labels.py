"""The half of the task `emotion` that reads rows: labels, ratings, targets and references. Next: `tasks/emotion.py`."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.metrics.agreement import majority_labels
from soritune.tasks.emotion_settings import EmotionConfig
from soritune.tasks.labels import label_index, one_hot
from soritune.tasks.rater_votes import agreement_warning, votes_json, votes_of
from soritune.tasks.ratings import ratings_of
from soritune.tasks.task import Task

logger = logging.getLogger(__name__)


class EmotionLabels(Task):
    """What the rows of a corpus state about emotion: one label each, in the column `emotion` or by several raters."""

    required_fields: ClassVar[tuple[str, ...]] = ("emotion",)
    label_field: ClassVar[str | None] = "emotion"
    config: EmotionConfig

    @property
    def needed_fields(self) -> tuple[str, ...]:
        """`emotion`, unless ratings may replace it."""
        return self.required_fields if self.config.rated_target is None else ()

    def label(self, utterance: Utterance) -> str | None:
        """The class of a row after `rename`, or None if it has no label, one that is left out, or ratings without a
        majority."""
        votes = self._votes(utterance)
        if votes is None:
            label = self._written(utterance)
            return None if label is None else self.config.class_of(label)
        best = int(majority_labels(votes[None])[0])
        if best >= 0:
            return self.config.labels[best]
        written = self._written(utterance) if self.config.ties == "emotion" and votes.any() else None
        label = None if written is None else self.config.class_of(written)
        return label if label in self._most(votes) else None

    def _most(self, votes: NDArray[np.float64]) -> list[str]:
        """The classes with the most ratings."""
        return [label for label, count in zip(self.config.labels, votes, strict=True) if count == votes.max()]

    def _written(self, utterance: Utterance) -> str | None:
        """The label in the column `emotion`, as the settings spell it."""
        return None if utterance.emotion is None else self.config.spelling(utterance.emotion)

    def _votes(self, utterance: Utterance) -> NDArray[np.float64] | None:
        """The ratings of each class (labels,); None if the row has no ratings, or they are not used."""
        if self.config.rated_target is None:
            return None
        return votes_of(utterance, self.config.ratings, self.config)

    def leaves_out(self, utterance: Utterance) -> bool:
        """Whether the label, or each of the ratings, is one of `leave_out`, or `ties` leaves out the row."""
        votes = self._votes(utterance)
        if votes is None:
            return self._written(utterance) in self.config.leave_out
        is_left_out = self.config.rated_target == "majority" and self.config.ties == "leave_out"
        return not votes.any() or (is_left_out and self.label(utterance) is None)

    def missing_label_reason(self, utterance: Utterance) -> str | None:
        """Why a row is without a label where ratings may give one."""
        if self.config.rated_target is None:
            return None
        columns = " or ".join(self.config.ratings)
        votes = self._votes(utterance)
        if votes is None:
            return None if self.label(utterance) else f"has neither a rating in {columns} nor an emotion"
        if not votes.any():
            return f"has only ratings that are left out, in {columns}"
        if self.config.rated_target == "soft" or self.label(utterance) is not None:
            return None
        tied = " and ".join(self._most(votes))
        return f"has {int(votes.sum())} ratings that are tied between {tied} (tasks.emotion.ties)"

    @property
    def derives_labels(self) -> bool:
        """True where ratings give the label."""
        return self.config.rated_target is not None

    def written_labels(self, utterance: Utterance) -> tuple[str, ...]:
        """The labels of all ratings; without them that of `emotion`."""
        try:
            ratings = ratings_of(utterance, self.config.ratings, self.config.names)
        except TaskError:  # the row is reported when it is checked
            return ()
        labels = [label for given in ratings for label in given]
        return tuple(labels) if labels or utterance.emotion is None else (utterance.emotion,)

    def table_labels(self, utterance: Utterance) -> tuple[str, ...]:
        """The class of the row."""
        try:
            label = self.label(utterance)
        except TaskError:
            return ()
        return () if label is None else (label,)

    def leave_out_notes(self, values: Collection[str]) -> list[str]:
        """Labels of `leave_out` that no row has."""
        return self.config.leave_out_notes(values, self.name)

    def leave_out_advice(self, values: Collection[str]) -> str:
        """`leave_out` with all labels that the model would not have."""
        return self.config.leave_out_advice(values, self.name)

    def label_notes(self, values: Collection[str]) -> list[str]:
        """Classes without an utterance, and names in `rename` that no utterance has."""
        return self.config.label_notes(values, self.name)

    def targets(self, utterance: Utterance) -> dict[str, NDArray[Any] | None]:
        """Target mass (labels,) of each output: one-hot, or the share of the ratings of each class."""
        target = self.target(utterance)
        return {spec.name: target for spec in self.outputs}

    def target(self, utterance: Utterance) -> NDArray[np.float32] | None:
        """Target mass (labels,) of a row; None if it has no label."""
        votes = self._votes(utterance) if self.config.rated_target == "soft" else None
        if votes is not None:
            return (votes / votes.sum()).astype(np.float32) if votes.any() else None
        label = self.label(utterance)
        if label is None:
            return None
        return one_hot(label_index(label, self.config.labels, "emotion"), len(self.config.labels))

    def reference(self, utterance: Utterance) -> dict[str, Any] | None:
        """`{"label": …}`, with `ratings` (class to number) in a row that has them.

        The label is None where soft ratings have no majority: only `soft_loss` judges such a row.
        """
        label, votes = self.label(utterance), self._votes(utterance)
        is_judged = label is not None or (
            votes is not None and votes.any() and self.config.rated_target == "soft"
        )
        if not is_judged:
            return None
        return {"label": label} | (
            {} if votes is None else {"ratings": votes_json(votes, self.config.labels)}
        )

    def check_ratings(self, utterances: Sequence[Utterance]) -> None:
        """Warns if the raters of the training rows agree little.

        Raises:
            TaskError: no row has ratings.
        """
        found = [votes for row in utterances if (votes := self._votes(row)) is not None]
        if not found:
            columns = ", ".join(self.config.ratings)
            raise TaskError(
                f"no row of the training split has ratings in {columns}; name their column with tasks.emotion.ratings, "
                "or set tasks.emotion.rated_target=null"
            )
        warning = agreement_warning(np.stack(found))
        if warning is not None:
            logger.warning("training rows: %s", warning)
