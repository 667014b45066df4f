"""From the values of other publishers' tables and JSON files to an utterance.

A corpus may write "만 7세" for a number or 여 for f; settings say what such values mean. Nothing is guessed and nothing
is dropped: a value that is not a number in the unit of its field is kept unchanged in `extra`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator

from soritune.corpus.reading.field_mapping import (
    END,
    FLOAT_FIELDS,
    INT_FIELDS,
    LIST_FIELDS,
    FieldValueError,
    canonical_extra,
    convert,
    stretch,
)
from soritune.corpus.reading.missing_values import OLDEST, MissingValues
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.utterance import FIELDS, TEXT_SOURCES, Utterance
from soritune.errors import nearest
from soritune.identities import whole_number
from soritune.korean.hangul import composed

MAPPABLE = (*(name for name in FIELDS if name != "extra"), END)
GENDERS: dict[str, str | None] = {
    **dict.fromkeys(("여", "여자", "여성", "여아", "여학생", "female", "f", "woman", "girl"), "f"),
    **dict.fromkeys(("남", "남자", "남성", "남아", "남학생", "male", "m", "man", "boy"), "m"),
}
_UNITS: dict[str, str] = {
    "age": r"세|살|years?|years? old|yrs?\.?",
    "snr_db": r"db",
    "sample_rate_hz": r"hz",
    **dict.fromkeys(("start_s", "duration_s", END), r"초|s|secs?|seconds?"),
}
"""Field → the units that may follow its numbers."""
_TIMES = ("start_s", "duration_s", END)
"""The numbers that locate an utterance in its file; a row is rejected if one of them cannot be read."""
_NUMBERS = (*FLOAT_FIELDS, *INT_FIELDS, END)


def _plain_texts(value: Any) -> Any:
    """Keys and values of a table as text: YAML reads 1 and true as other types, but they are meant as written."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: {_written(key): None if to is None else _written(to) for key, to in table.items()}
        if isinstance(table, Mapping)
        else table
        for name, table in value.items()
    }


ValueTables = Annotated[dict[str, dict[str, str | None]], BeforeValidator(_plain_texts)]


class ReaderConfig(SourceConfig):
    """Settings of all sources that read the fields of other publishers."""

    values: ValueTables = Field(default_factory=dict)
    """Utterance field → the corpus's value → ours, as in {gender: {여: f, 남: m}, emotion: {angry: 화남}}. A value
    mapped to null counts as missing; a value that is not listed is kept. Case and outer spaces do not matter. The
    usual words for gender are known."""
    constants: dict[str, Any] = Field(default_factory=dict)
    """Utterance field → value for rows without one, as in {text_source: asr}. Texts count as `gold`."""
    required: tuple[str, ...] = ()
    """Utterance fields without which a row goes to quarantine, as in [text, speaker]."""
    name: str | None = None
    """Value of `source`; None takes the name of the root folder."""
    _matched: set[tuple[str, str]] = PrivateAttr(default_factory=set)
    """(field, key) of the entries of `values` that a row had, and of settings that matched; filled while reading."""

    @field_validator("values", "constants", "required")
    @classmethod
    def _known(cls, given: Any) -> Any:
        check_fields(given)
        return given


def check_fields(names: Iterable[str], known: Iterable[str] = MAPPABLE) -> None:
    """Refuses names that are not utterance fields.

    Raises:
        ValueError: a name is unknown; the message has the nearest known one.
    """
    allowed = tuple(known)
    for name in names:
        if name not in allowed:
            hint = nearest(name, allowed)
            raise ValueError(
                f"'{name}' is not an utterance field{f', did you mean {hint!r}?' if hint else ''}; "
                f"fields are: {', '.join(allowed)}"
            )


@dataclass(frozen=True)
class ValueReader:
    """Turns the loose values of a row into an `Utterance`."""

    values: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    required: Sequence[str] = ()
    matched: set[tuple[str, str]] = field(default_factory=set)
    """(field, folded key) of the entries of `values` that a row had."""
    missing: MissingValues = field(default_factory=MissingValues)
    """Removes words for missing values that no entry of `values` maps."""

    @classmethod
    def of(cls, config: ReaderConfig, source: str, language: str | None) -> ValueReader:
        """The reader of a source's settings; `source` and `language` are for rows without their own."""
        tables = {"gender": GENDERS} | {
            name: {**(GENDERS if name == "gender" else {}), **table} for name, table in config.values.items()
        }
        folded_tables = {
            name: {folded(key): value for key, value in table.items()} for name, table in tables.items()
        }
        constants: dict[str, Any] = {"source": config.name or source, "language": language}
        constants |= config.constants
        return cls(folded_tables, constants, config.required, config._matched, config._missing)

    def utterance(
        self, given: Mapping[str, Any], *, name: str, audio: str, extra: Mapping[str, Any]
    ) -> Utterance:
        """The utterance of a row.

        Args:
            given: Utterance field (and `end_s`) → value as the corpus has it.
            name: The id of a row that is a whole file; for a stretch, channel and times are appended.
            audio: Path of the audio.
            extra: What else is known.

        Raises:
            FieldValueError: a value has the wrong type, a required one is missing, or a stretch has no length.
        """
        fields: dict[str, Any] = {}
        more = dict(extra)
        whole = all(given.get(key) in (None, "") for key in ("start_s", END))
        stated_s = 0.0
        for key, written in given.items():
            if key == "duration_s" and whole:
                # The length of the audio itself counts; `prepare` compares the two.
                stated_s = max(number_in(written, key) or 0.0, 0.0)
                continue
            value = None if not self._lists(key, written) and self.missing.drops(key, written) else written
            fields[key] = self._read(key, value)
            if fields[key] is None and value not in (None, "") and key in _NUMBERS:
                if key in _TIMES:
                    raise FieldValueError(key, f"must be a number, got {str(value)[:60]!r}", "field-type")
                if self._mapped(key, value) is not None:
                    finite = not isinstance(value, float) or math.isfinite(value)
                    more.setdefault(key, value if finite else str(value))
                    if key == "age" and re.fullmatch(r"-?\d+(\.\d+)?", str(value).strip()):
                        self.missing.add_age(value)
        end = fields.pop(END, None)
        for key, value in self.constants.items():
            if fields.get(key) is None:
                fields[key] = convert(key, value)
        if fields.get("text") and fields.get("text_source") is None:
            fields["text_source"] = "gold"
        if fields.get("text_source") not in (None, *TEXT_SOURCES):
            raise FieldValueError(
                "text_source", f"must be one of {', '.join(TEXT_SOURCES)}, got {fields['text_source']!r}"
            )
        for key in self.required:
            if fields.get(key) in (None, "", ()):
                raise FieldValueError(key, "is empty or missing", "field-missing")
        start, length = stretch(fields.pop("start_s", None), fields.pop("duration_s", None), end)
        canonical_extra(more)  # refuses what a manifest cannot hold
        fields.pop("audio", None)
        return Utterance(
            id=fields.pop("id", None) or name + _stretch_suffix(fields.get("channel"), start, length),
            audio=audio,
            start_s=start,
            duration_s=stated_s if start is None else length,
            extra=more,
            **fields,
        )

    def _lists(self, name: str, value: Any) -> bool:
        """Whether an entry of `values` maps a text."""
        return isinstance(value, str) and folded(value) in self.values.get(name, {})

    def _read(self, name: str, value: Any) -> Any:
        """`value` cleaned and in its field's type; None for a missing value, or for one without a readable number."""
        value = self._mapped(name, value)
        if value is None:
            return None
        if name in _NUMBERS:
            return number_in(value, name)
        return convert(name, value)

    def _mapped(self, name: str, value: Any) -> Any:
        """`value` as `values` translates it; None for a missing one."""
        if isinstance(value, str):
            value = (value if name in LIST_FIELDS else composed(value)).strip() or None
        table = self.values.get(name)
        if table is not None and value is not None and not isinstance(value, (list, dict)):
            key = folded(_written(value))
            key = key if key in table else whole_number(key)
            if key in table:
                self.matched.add((name, key))
                value = table[key]
        return value


def number_in(value: Any, name: str) -> float | int | None:
    """The number in a value of the field `name`: a bare number, or one with the field's unit; None for anything else.

    >>> number_in("만 7세", "age"), number_in("12.5 dB", "snr_db"), number_in("36개월", "age"), number_in(2015, "age")
    (7.0, 12.5, None, None)
    """
    if isinstance(value, str):
        before = "만 ?" if name == "age" else ""
        unit = f" ?(?:{_UNITS[name]})" if name in _UNITS else ""
        match = re.fullmatch(
            rf"(?:{before})?([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?:{unit})?", value.strip(), re.I
        )
        if match is None:
            return None
        value = match[1]
    try:
        number: float | int | None = convert(name if name != END else "duration_s", value)
    except FieldValueError:
        return None
    return None if name == "age" and number is not None and not 0 <= number <= OLDEST else number


def _stretch_suffix(channel: int | None, start: float | None, length: float) -> str:
    """Channel and times, to be appended to a file's id: "#ch0-1.500-4.000"; "" for a whole file."""
    parts = [] if channel is None else [f"ch{channel}"]
    if start is not None:
        parts += [f"{start:.3f}", *([f"{start + length:.3f}"] if length else [])]
    return f"#{'-'.join(parts)}" if parts else ""


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def folded(text: str) -> str:
    """A value as it is compared: composed, without outer spaces and case."""
    return composed(text).strip().casefold()
