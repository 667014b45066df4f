"""How far the texts of a corpus give its labels away: the label of a text, looked up at other speakers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

LEAST_ROWS = 20
"""With fewer rows to judge, no share is reported."""
HIGH_GAIN = 0.5
"""Half of the way from the share of the commonest label to 1."""


@dataclass(frozen=True, slots=True)
class TextLabels:
    """The rows whose text another speaker says too, and how many have the label that the text has there most often."""

    num_rows: int
    num_right: int
    commonest: int
    """Of these rows, those with the commonest label."""

    @property
    def share(self) -> float:
        """Share of the rows that are right; 0 without rows."""
        return self.num_right / self.num_rows if self.num_rows else 0.0

    @property
    def gives_labels_away(self) -> bool:
        """Whether the text alone predicts most of the labels that the commonest one does not."""
        if self.num_rows < LEAST_ROWS or self.commonest == self.num_rows:
            return False
        return self.num_right - self.commonest >= HIGH_GAIN * (self.num_rows - self.commonest)


def labels_by_text(rows: Iterable[tuple[str, str | None, str]]) -> TextLabels:
    """Looks up the label of each row's text at the other speakers.

    Args:
        rows: text, speaker and label; a row without a speaker is by a speaker of its own.
    """
    by_text: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for index, (text, speaker, label) in enumerate(rows):
        by_text[" ".join(text.split())][f"row {index}" if speaker is None else f"speaker {speaker}"][
            label
        ] += 1
    num_rows, num_right, labels = 0, 0, Counter[str]()
    for speakers in by_text.values():
        if len(speakers) < 2:
            continue
        total = sum(speakers.values(), Counter[str]())
        for own in speakers.values():
            others = total - own
            guess = min(others, key=lambda label: (-others[label], label))
            num_rows, num_right = num_rows + own.total(), num_right + own[guess]
            labels += own
    return TextLabels(num_rows, num_right, max(labels.values(), default=0))
