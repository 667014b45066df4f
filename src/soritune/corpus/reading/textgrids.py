"""TextGrid files of Praat, long and short, in any of its encodings, read by praatio (extra `textgrid`)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soritune.corpus.reading.corpus_files import read_file
from soritune.corpus.reading.outcomes import ReadingError
from soritune.errors import SorituneError, reason_of
from soritune.korean.hangul import composed


@dataclass(frozen=True, slots=True)
class Interval:
    """A labelled stretch of a tier."""

    start_s: float
    end_s: float
    text: str
    """Composed (NFC) and stripped; may be empty."""

    @property
    def times(self) -> str:
        """Start and end, for messages."""
        return f"{self.start_s:.3f} to {self.end_s:.3f} s"


class TextGridFile:
    """The interval tiers of one file.

    Raises:
        SorituneError: praatio is not installed.
        ReadingError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            from praatio import textgrid
            from praatio.data_classes.interval_tier import IntervalTier
        except ImportError as error:
            raise SorituneError("TextGrid files need praatio: pip install 'soritune[textgrid]'") from error
        try:
            with _on_disk(path) as file:
                grid = textgrid.openTextgrid(
                    str(file),
                    includeEmptyIntervals=True,
                    reportingMode="silence",
                    duplicateNamesMode="rename",
                )
        except Exception as error:  # praatio raises errors of many types about damaged files
            raise ReadingError(
                "textgrid-damaged", f"is not a readable TextGrid ({reason_of(error)[:120]})"
            ) from error
        self._tiers = {
            tier.name.strip(): [Interval(e.start, e.end, composed(e.label).strip()) for e in tier.entries]
            for tier in grid.tiers
            if isinstance(tier, IntervalTier)
        }

    @property
    def names(self) -> list[str]:
        """The interval tiers."""
        return list(self._tiers)

    def tier(self, name: str) -> Iterator[Interval]:
        """The intervals of a tier, whose name is compared without case and final dots.

        Raises:
            ReadingError: there is no such tier.
        """
        key = next((known for known in self._tiers if _plain(known) == _plain(name)), None)
        if key is None:
            known = ", ".join(self._tiers) or "none"
            raise ReadingError("textgrid-tier", f"has no interval tier '{name}'; there are: {known}")
        yield from self._tiers[key]


@contextmanager
def _on_disk(path: Path) -> Iterator[Path]:
    """The file itself, or a copy of one in an archive, as praatio opens files by their names."""
    if path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.TextGrid"
        copy.write_bytes(read_file(path))
        yield copy


def _plain(name: str) -> str:
    return name.strip().rstrip(".").casefold()
