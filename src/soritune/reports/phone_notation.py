"""The phones of a report in the notation that was chosen, and the legend that explains it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from soritune.errors import TaskError
from soritune.tasks.notation import NOTATIONS, Notation, WrittenPhone
from soritune.tasks.results import Alignment, Section, Table
from soritune.tasks.task import Task

LEGEND_NOTES = {
    "codes": "Phones are written as codes, with their IPA values and letters.",
    "jamo": "A hyphen stands before a consonant at the end of a syllable. Each phone has its code and its IPA value; "
    "vowels that sound alike share one letter.",
    "ipa": "Phones are written in IPA, with their codes and letters.",
}


@dataclass(frozen=True, slots=True)
class PhoneTexts:
    """How the phones of one task are written; the codes themselves without a mapping."""

    notation: Notation = "codes"
    texts: Mapping[str, str] = field(default_factory=dict)
    phones: tuple[WrittenPhone, ...] = ()

    @classmethod
    def of(cls, task: Task, notation: Notation | None) -> PhoneTexts:
        """The chosen notation; by default the letters of Korean phones, and codes of others."""
        phones = task.written_phones
        known = [name for name in NOTATIONS if name == "codes" or all(map(_text_of(name), phones))]
        chosen = notation or ("jamo" if phones and "jamo" in known else "codes")
        if not phones or chosen not in known or chosen == "codes":
            return cls(phones=phones)
        text_of = _text_of(chosen)
        texts = {phone.code.lower(): text_of(phone) for phone in phones}  # a setting folds English phones
        return cls(chosen, texts | {phone.code: text_of(phone) for phone in phones}, phones)

    def written(self, section: Section) -> Section:
        """The tables and alignments of a section in this notation."""
        if not self.texts:
            return section
        return replace(
            section,
            tables=tuple(map(self._table, section.tables)),
            alignments=tuple(map(self._alignment, section.alignments)),
        )

    def legend(self) -> list[dict[str, Any]]:
        """Each phone as it is shown, its code, IPA value and letters."""
        return [
            {
                "shown": self.texts.get(phone.code, phone.code),
                "code": phone.code if self.texts else "",
                "ipa": phone.ipa if self.notation != "ipa" else "",
                "letters": phone.letters if self.notation != "jamo" or len(phone.letters) > 1 else "",
            }
            for phone in self.phones
        ]

    def _table(self, table: Table) -> Table:
        positions = {table.columns.index(name) for name in table.phones}
        rows = tuple(
            tuple(
                self.texts.get(value, value) if position in positions else value
                for position, value in enumerate(row)
            )
            for row in table.rows
        )
        return replace(table, rows=rows)

    def _alignment(self, alignment: Alignment) -> Alignment:
        if not alignment.is_of_phones:
            return alignment
        return replace(
            alignment,
            reference=self._symbols(alignment.reference),
            hypothesis=self._symbols(alignment.hypothesis),
        )

    def _symbols(self, symbols: Iterable[str | None]) -> tuple[str | None, ...]:
        return tuple(None if symbol is None else self.texts.get(symbol, symbol) for symbol in symbols)


def check_notation(tasks: Iterable[Task], notation: Notation | None) -> None:
    """Refuses a notation that the phones of no task have.

    Raises:
        TaskError: no task has phones that can be written so.
    """
    if notation in (None, "codes"):
        return
    tasks = tuple(tasks)
    if not any(PhoneTexts.of(task, notation).notation == notation for task in tasks):
        names = ", ".join(task.name for task in tasks)
        raise TaskError(
            f"phones as {notation} were requested, but no task of these scores has phones with this notation (tasks: "
            f"{names}); leave the option out, or give codes"
        )


def _text_of(notation: str) -> Any:
    return lambda phone: getattr(phone, notation)
