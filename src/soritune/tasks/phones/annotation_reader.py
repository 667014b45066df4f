"""Reads the phones and error labels of a row for the task `mispronunciation`, and checks them against each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from soritune.corpus.utterance import Utterance
from soritune.errors import TaskError
from soritune.korean.phones import WORD_BOUNDARY
from soritune.tasks.labels import in_spelling_of, label_index
from soritune.tasks.phones.annotated_phones import (
    Scheme,
    check_number_of_labels,
    labelled_positions,
    pair_up,
    read_labels,
)
from soritune.tasks.phones.language import in_language


class Annotation(NamedTuple):
    """The annotation of a row; a field is None where the row has no value for it."""

    target: tuple[str, ...] | None = None
    """What the phone output learns: the row's `phones` with their silences, or `phones` below."""
    phones: tuple[str, ...] | None = None
    """The phones that were perceived, without gaps."""
    canonical: tuple[str, ...] | None = None
    perceived: tuple[str, ...] | None = None
    """As long as canonical; if there are labels too, one position per label."""
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AnnotationReader:
    """Settings of the task that decide how a row is read."""

    phones: Collection[str]
    gap: str
    scheme: Scheme
    language: str | None
    fold: tuple[str, ...]
    folding_helps: bool
    """Whether an error about an unknown phone may recommend `fold`."""
    checks_phones: bool
    """Whether unknown phones are refused: phones are learnt."""
    reads_labels: bool
    """Whether error labels are learnt; otherwise they are ignored."""

    def read(self, utterance: Utterance) -> Annotation:
        """The annotation of a row; empty for a row in another language.

        Raises:
            TaskError: lengths differ, a symbol is unknown, or a label contradicts the phones or the setting.
        """
        if not in_language(utterance.language, self.language):
            return Annotation()
        gap = self.gap
        canonical, perceived, target = (
            self._folded(symbols)
            for symbols in (
                utterance.canonical,
                utterance.perceived,
                self._without_boundaries(utterance.phones),
            )
        )
        with_gaps = target if perceived is None else perceived
        phones = None if with_gaps is None else tuple(symbol for symbol in with_gaps if symbol != gap)
        if self.checks_phones and target is not None and perceived is not None:
            _check_target(target, perceived, gap)
        labels = None
        if self.reads_labels and utterance.error_labels is not None:
            labels = read_labels(utterance.error_labels, self.scheme)
            if canonical is not None and perceived is None:
                check_number_of_labels(labels, canonical, gap=gap)
        if canonical is not None and perceived is not None:
            positions = pair_up(canonical, perceived, gap)
            if labels is not None:
                positions = labelled_positions(labels, positions, scheme=self.scheme, gap=gap)
            canonical = tuple(symbol for symbol, _ in positions)
            perceived = tuple(symbol for _, symbol in positions)
        return Annotation(phones if target is None else target, phones, canonical, perceived, labels)

    def _without_boundaries(self, symbols: Sequence[str] | None) -> Sequence[str] | None:
        """The phones of a row that the task `phoneme` reads too; positions of errors do not depend on words."""
        if symbols is None or WORD_BOUNDARY in self.phones:
            return symbols
        return [symbol for symbol in symbols if symbol != WORD_BOUNDARY]

    def _folded(self, symbols: Sequence[str] | None) -> tuple[str, ...] | None:
        """The symbols in the inventory's spelling; unknown ones are refused where phones are learnt."""
        if symbols is None:
            return None
        known = dict.fromkeys((*self.phones, self.gap))
        folded = tuple(in_spelling_of([fold_phone(symbol, self.fold) for symbol in symbols], known))
        if self.checks_phones:
            for symbol in folded:
                if not self._is_known(symbol):
                    self._refuse(symbol)
        return folded

    def _is_known(self, symbol: str) -> bool:
        return symbol in self.phones or symbol == self.gap

    def _refuse(self, symbol: str) -> None:
        try:
            label_index(symbol, (*self.phones, self.gap), "phone")
        except TaskError as error:
            folded = fold_phone(symbol, ("case", "stress"))
            if self.folding_helps and self._is_known(folded):
                raise TaskError(
                    f"{error}; tasks.mispronunciation.fold=[case, stress] reads it as '{folded}'",
                    error.kind,
                ) from None
            raise


def _check_target(target: Sequence[str], perceived: Sequence[str], gap: str) -> None:
    """Refuses phones to be learnt that are not the perceived ones; silences and gaps are not compared.

    Raises:
        TaskError: they differ, as when the canonical phones were written into the wrong field.
    """
    learnt, heard = ([symbol for symbol in symbols if symbol != gap] for symbols in (target, perceived))
    if learnt != heard:
        pairs = enumerate(zip_longest(learnt, heard, fillvalue="nothing"), 1)
        number, (symbol, other) = next(pair for pair in pairs if pair[1][0] != pair[1][1])
        raise TaskError(
            f"phones differ from perceived without '{gap}': phone {number} is '{symbol}' and '{other}'; phones must "
            "be those that were perceived, so correct the row or leave phones empty",
            "phones-not-perceived",
        )


def fold_phone(symbol: str, fold: Sequence[str]) -> str:
    """An English phone without its stress digit ("stress"), in lower case ("case"), or both, as `fold` lists.

    >>> fold_phone("AH0", ("case", "stress"))
    'ah'
    """
    if "stress" in fold:
        symbol = symbol.rstrip("012")
    return symbol.lower() if "case" in fold else symbol
