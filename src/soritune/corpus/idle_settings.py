"""Settings of a source that changed nothing in a corpus, as notes: a map without a match, a field without a value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from soritune.corpus.reading.field_mapping import END, FieldValueError, convert
from soritune.corpus.reading.outcomes import Note
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.reading.value_reader import ReaderConfig, folded
from soritune.corpus.utterance import Utterance

KIND = "setting-unused"
"""Kind of all these notes, before a colon and the setting."""
_NOT_VALUES = ("audio", "duration_s", "start_s", END)
_FILLED = {"name": "source", "language": "language"}
"""Setting with a value for rows without one → their utterance field."""
_OF_PATHS = {
    "speaker_pattern": "speaker_pattern matches no path",
    "drop_prefix": "drop_prefix begins no path",
    "audio_root": "audio_root has no effect, because no path is relative",
    "audio_folder": "audio_folder is not used, because no recording is inside a table",
    "unannotated": "unannotated has no effect, because every recording has an annotation",
}
"""Setting that a reader marks as matched → what is noted if it was not."""


@dataclass
class IdleSettings:
    """Watches the rows of a corpus, and reports the settings without effect at the end."""

    config: SourceConfig
    _unfilled: set[str] = field(init=False)
    """Mapped fields, and `extra.NAME`, that no row has had a value of so far."""
    _unused_labels: set[str] = field(init=False)
    _unused_constants: dict[str, tuple[str, Any]] = field(init=False)
    """Setting → utterance field and its value, of those that no row has had so far."""
    _rows: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        config: Any = self.config
        if isinstance(config, ReaderConfig):
            config._matched.clear()
        extra = [*(getattr(config, "extra", None) or ()), *(getattr(config, "keep", None) or ())]
        fields = [name for name in getattr(config, "fields", ()) if name not in _NOT_VALUES]
        self._unfilled = {*fields, *(f"extra.{name}" for name in extra)}
        self._unused_labels = set(getattr(config, "labels", ()))
        self._unused_constants = dict(_constants(config))
        if getattr(config, "gender_from_first_letter", False) and _is_given(
            config, "gender_from_first_letter"
        ):
            self._unfilled.add("gender_from_first_letter")

    def add(self, utterance: Utterance) -> None:
        """Looks at one row."""
        self._rows += 1
        if self._unfilled:
            self._unfilled -= {name for name in self._unfilled if _has(utterance, name)}
        self._unused_labels.discard(utterance.emotion or "")
        for setting, (name, value) in list(self._unused_constants.items()):
            if getattr(utterance, name) == value:
                del self._unused_constants[setting]

    def notes(self) -> Iterator[Note]:
        """One note per setting without effect; none for a corpus without rows, which is reported in another way."""
        if not self._rows:
            return
        for name in sorted(self._unfilled):
            if name == "gender_from_first_letter":
                yield self._note(
                    name, f"{name} fits no speaker, because no name begins with F or M and a digit"
                )
                continue
            setting = f"fields.{name}" if not name.startswith("extra.") else name
            yield self._note(setting, f"{setting} got no value in any row")
        for label in sorted(self._unused_labels):
            yield self._note(f"labels.{label}", f"labels.{label} matches no recording")
        for setting in sorted(self._unused_constants):
            yield self._note(
                setting, f"{setting} is used in no row, because every row has another value of its own"
            )
        config = self.config
        if not isinstance(config, ReaderConfig):
            return
        for name, table in config.values.items():
            idle = [key for key in table if (name, folded(key)) not in config._matched]
            if idle:
                yield self._note(f"values.{name}", f"values.{name} maps {_quoted(idle)}, which no row has")
        for setting, reason in _OF_PATHS.items():
            if getattr(config, setting, None) and (setting, "") not in config._matched:
                yield self._note(setting, reason)
        for setting in ("split_folders", "label_folders"):
            idle = [
                name
                for name in getattr(config, setting, None) or ()
                if (setting, name) not in config._matched
            ]
            if idle:
                yield self._note(setting, f"{setting} names {_quoted(idle)}, and no folder has such a name")
        for name in _unread_lookups(config):
            yield self._note(
                f"lookups.{name}", f"lookups.{name} is read by no field; map one, as in age={name}.age"
            )

    def _note(self, setting: str, reason: str) -> Note:
        return Note(reason, self._rows, kind=f"{KIND}:{setting}")


def _is_given(config: SourceConfig, setting: str) -> bool:
    return setting in config.model_fields_set


def _constants(config: SourceConfig) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Setting → utterance field and value, of the given values for rows without one."""
    given: dict[str, tuple[str, Any]] = {
        setting: (name, getattr(config, setting))
        for setting, name in _FILLED.items()
        if _is_given(config, setting) and getattr(config, setting, None) is not None
    }
    for name, value in getattr(config, "constants", {}).items():
        if name not in _NOT_VALUES:
            given[f"constants.{name}"] = (name, value)
    for setting, (name, value) in given.items():
        try:
            converted = convert(name, value)
        except FieldValueError:  # the readers report it, row by row
            continue
        if converted is not None:
            yield setting, (name, converted)


def _unread_lookups(config: ReaderConfig) -> list[str]:
    """The names of lookups that no expression contains."""
    expressions = [*getattr(config, "fields", {}).values(), *getattr(config, "keep", ())]
    text = " ".join([*expressions, *getattr(config, "extra", {}).values()])
    return [
        name
        for name in getattr(config, "lookups", {})
        if not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)
    ]


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:5]) + (" …" if len(names) > 5 else "")


def _has(utterance: Utterance, name: str) -> bool:
    if name == "gender_from_first_letter":
        return re.match(r"[FM]\d", utterance.speaker or "", re.IGNORECASE) is not None
    if name.startswith("extra."):
        return name.removeprefix("extra.") in utterance.extra
    return getattr(utterance, name) not in (None, "", ())
