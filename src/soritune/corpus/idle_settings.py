"""Settings of a source that changed nothing in a corpus, as notes: a map without a match, a field without a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from soritune.corpus.reading.field_mapping import END
from soritune.corpus.reading.outcomes import Note
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.reading.value_reader import ReaderConfig, folded
from soritune.corpus.utterance import Utterance

KIND = "setting-unused"
"""Kind of all these notes, before a colon and the setting."""
_NOT_VALUES = ("audio", "duration_s", "start_s", END)


@dataclass
class IdleSettings:
    """Watches the rows of a corpus, and reports the settings without effect at the end."""

    config: SourceConfig
    _unfilled: set[str] = field(init=False)
    """Mapped fields, and `extra.NAME`, that no row has had a value of so far."""
    _unused_labels: set[str] = field(init=False)
    _rows: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        config: Any = self.config
        if isinstance(config, ReaderConfig):
            config._matched.clear()
        extra = [*(getattr(config, "extra", None) or ()), *(getattr(config, "keep", None) or ())]
        fields = [name for name in getattr(config, "fields", ()) if name not in _NOT_VALUES]
        self._unfilled = {*fields, *(f"extra.{name}" for name in extra)}
        self._unused_labels = set(getattr(config, "labels", ()))

    def add(self, utterance: Utterance) -> None:
        """Looks at one row."""
        self._rows += 1
        if self._unfilled:
            self._unfilled -= {name for name in self._unfilled if _has(utterance, name)}
        self._unused_labels.discard(utterance.emotion or "")

    def notes(self) -> Iterator[Note]:
        """One note per setting without effect; none for a corpus without rows, which is reported in another way."""
        if not self._rows:
            return
        for name in sorted(self._unfilled):
            setting = f"fields.{name}" if not name.startswith("extra.") else name
            yield self._note(setting, f"{setting} got no value in any row")
        for label in sorted(self._unused_labels):
            yield self._note(f"labels.{label}", f"labels.{label} matches no recording")
        config = self.config
        if not isinstance(config, ReaderConfig):
            return
        for name, table in config.values.items():
            idle = [key for key in table if (name, folded(key)) not in config._matched]
            if idle:
                shown = ", ".join(f"'{key}'" for key in idle[:5]) + (" …" if len(idle) > 5 else "")
                yield self._note(f"values.{name}", f"values.{name} maps {shown}, which no row has")
        if getattr(config, "speaker_pattern", None) and ("speaker_pattern", "") not in config._matched:
            yield self._note("speaker_pattern", "speaker_pattern matches no path")

    def _note(self, setting: str, reason: str) -> Note:
        return Note(reason, self._rows, kind=f"{KIND}:{setting}")


def _has(utterance: Utterance, name: str) -> bool:
    if name.startswith("extra."):
        return name.removeprefix("extra.") in utterance.extra
    return getattr(utterance, name) not in (None, "", ())
