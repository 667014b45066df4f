"""The labels of a corpus and the classes that they stand for: settings that the tasks of emotion share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field, field_validator, model_validator

from soritune.identities import identity, whole_number
from soritune.korean.hangul import composed
from soritune.tasks.labels import OutputSettings


class LabelNames(OutputSettings):
    """Classes, and how labels of the corpus become classes."""

    labels: tuple[str, ...]
    """The classes, in the order of the model's output."""
    rename: dict[str, str] = Field(default_factory=dict)
    """Corpus label -> class, for corpora with other names or for grouping labels."""
    leave_out: tuple[str, ...] = ()
    """Corpus labels whose rows are left out on purpose; they do not count as lost."""

    @field_validator("labels", "rename", "leave_out", mode="before")
    @classmethod
    def _composed(cls, value: Any) -> Any:
        """Hangul typed on a Mac is decomposed; equal labels must be equal texts."""
        if isinstance(value, dict):
            return {compose(key): compose(name) for key, name in value.items()}
        return [compose(name) for name in value] if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _left_out_once(self) -> LabelNames:
        for name, known in (("labels", self.labels), ("rename", self.rename)):
            both = [label for label in self.leave_out if label in known]
            if both:
                raise ValueError(
                    f"{', '.join(both)} is in {name} and in leave_out; take it out of one of them"
                )
        return self

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError(f"labels must be at least two distinct names, got {list(labels)}")
        spelt: dict[str | None, str] = {}
        for label in labels:
            first = spelt.setdefault(identity(label), label)
            if first != label:
                raise ValueError(
                    f"labels {first!a} and {label!a} differ only by signs that cannot be seen; remove these signs"
                )
        return labels

    @property
    def names(self) -> frozenset[str]:
        """Every label of the corpus that the settings name."""
        return frozenset((*self.labels, *self.rename, *self.leave_out))

    def spelling(self, written: Any) -> str:
        """A label of the corpus as the settings spell it."""
        label: str = compose(written)
        whole = whole_number(label)
        return whole if whole.isdecimal() and label not in self.names else label

    def class_of(self, label: str) -> str | None:
        """The class of a label in the settings' spelling, known or not; None if the label is left out."""
        return None if label in self.leave_out else self.rename.get(label, label)

    def leave_out_notes(self, values: Iterable[str], task: str) -> list[str]:
        """See `Task.leave_out_notes`: `values` are labels of the corpus, `task` is the name in the settings."""
        written = {self.spelling(value) for value in values}
        idle = [label for label in self.leave_out if label not in written]
        return (
            [f"tasks.{task}.leave_out has {', '.join(idle)}, which no utterance is labelled"] if idle else []
        )

    def leave_out_advice(self, values: Iterable[str], task: str) -> str:
        """See `Task.leave_out_advice`."""
        spelt = map(self.spelling, values)
        others = {label for label in spelt if self.class_of(label) not in (None, *self.labels)}
        listed = ", ".join([*self.leave_out, *sorted(others)])
        return f"leave rows out on purpose with tasks.{task}.leave_out=[{listed}]" if others else ""

    def label_notes(self, values: Iterable[str], task: str) -> list[str]:
        """See `Task.label_notes`."""
        written = {compose(value) for value in values}
        classes = {self.class_of(self.spelling(value)) for value in written}
        absent = [label for label in self.labels if label not in classes]
        idle = [label for label in self.rename if label not in written]
        notes = []
        if absent:
            notes.append(
                f"no utterance at all is labelled {', '.join(absent)}, which tasks.{task}.labels contains"
            )
        if idle:
            notes.append(f"tasks.{task}.rename has {', '.join(idle)}, which no usable utterance is labelled")
        return notes


def compose(text: Any) -> Any:
    """Text in Unicode's composed form (NFC) without outer spaces, a whole number as text; any other value unchanged."""
    if isinstance(text, int) and not isinstance(text, bool):
        return str(text)
    return composed(text).strip() if isinstance(text, str) else text
