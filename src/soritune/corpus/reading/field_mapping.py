"""From the names and values of a manifest written elsewhere to an `Utterance`. Next: `corpus/manifest.py`.

A row is a dict with the file's own names. A mapping gives the name from which each `Utterance` field is read. A name
that already is an `Utterance` field needs no mapping; every other name is kept in `extra`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from soritune.corpus.reading.missing_values import OLDEST, MissingValues
from soritune.corpus.reading.outcomes import ReadingError
from soritune.corpus.utterance import FIELDS, REQUIRED_FIELDS, TEXT_SOURCES, Utterance
from soritune.errors import ManifestError, nearest
from soritune.identities import whole_number
from soritune.korean.hangul import composed

FLOAT_FIELDS = ("duration_s", "start_s", "age", "snr_db")
AS_WRITTEN = ("id", "audio", "speaker", "script_id")
"""Fields whose texts keep their spaces and signs: `identities.py` compares them and reports what it joined."""
NAMES = ("id", "speaker", "script_id")
"""Names that are often numbers, and that a spreadsheet or pandas may have written with a fraction."""
INT_FIELDS = ("channel", "sample_rate_hz")
LIST_FIELDS = ("phones", "canonical", "perceived", "error_labels")
TEXT_FIELDS = tuple(
    name for name in FIELDS if name not in (*FLOAT_FIELDS, *INT_FIELDS, *LIST_FIELDS, "extra")
)
END = "end_s"
"""Not an utterance field: the end of a stretch; becomes `duration_s`."""


class FieldValueError(ReadingError):
    """A value that does not fit its field.

    Attributes: `field`, the field's name; `problem`, the fault without that name; `kind`, as in "field-missing:text".
    """

    def __init__(self, field_name: str, problem: str, kind: str = "field-value") -> None:
        self.field, self.problem = field_name, problem
        super().__init__(f"{kind}:{field_name}", f"field '{field_name}' {problem}")


@dataclass(frozen=True)
class FieldMapping:
    """How rows of a file become utterances.

    Raises:
        ManifestError: `fields` or `constants` contain a name that is not an `Utterance` field.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    """`Utterance` field (or `end_s`) → name in the file, e.g. {"duration_s": "duration", "first_language": "l1"}."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """`Utterance` field → value for every row without a value, e.g. {"language": "ko"}."""
    prefix: str = ""
    """Put before every id, so that ids of several files cannot collide."""
    required: tuple[str, ...] = REQUIRED_FIELDS
    """Fields without which a row is refused."""
    missing: MissingValues | None = None
    """Removes words for missing values, and impossible ages; None keeps all values."""

    def __post_init__(self) -> None:
        for name in (*self.fields, *self.constants):
            if (name not in FIELDS or name == "extra") and not (name == END and name in self.fields):
                hint = nearest(name, FIELDS)
                raise ManifestError(
                    f"'{name}' is not an utterance field{f', did you mean {hint!r}?' if hint else ''}; "
                    f"fields are: {', '.join(known for known in FIELDS if known != 'extra')}",
                    field=name,
                )

    def source_of(self, name: str) -> str:
        """The name in the file from which the field `name` is read."""
        return self.fields.get(name, name)

    def check_columns(self, present: Iterable[str], path: Any) -> None:
        """Refuses a file without a mapped column, or without one from which a required field is read.

        Raises:
            ManifestError: a column is missing; the message lists the existing ones and the option that maps one.
        """
        names = set(present)
        for name in dict.fromkeys((*self.required, *self.fields)):
            if self.source_of(name) in names or name in self.constants:
                continue
            if name == "duration_s" and name not in self.fields and self.source_of(END) in names:
                continue
            hint = nearest(self.source_of(name), names)
            advice = f"--field {name}={hint or 'NAME'}"
            if name == "duration_s":
                advice += ", or let `soritune prepare manifest` fill it in from the audio"
            raise ManifestError(
                f"column '{self.source_of(name)}' (for '{name}') is missing; there are: "
                f"{', '.join(sorted(names)) or 'none'}; map another one with {advice}",
                path=path,
                field=name,
            )

    def utterance(self, row: Mapping[str, Any]) -> Utterance:
        """The utterance of a row. A missing `duration_s` that is not required becomes 0, to be filled in later.

        Raises:
            FieldValueError: a required value is missing, or a value has the wrong type.
        """
        values: dict[str, Any] = {}
        used = {self.source_of(END)}
        outside: dict[str, Any] = {}
        end = self._end(row)
        for name in FIELDS:
            if name == "extra":
                continue
            source = self.source_of(name)
            used.add(source)
            value = self._value(name, row.get(source), outside)
            values[name] = convert(name, self.constants.get(name)) if value is None else value
            if name == "start_s" and end is not None:
                values[name], values["duration_s"] = stretch(values[name], None, end)
        for name in self.required:
            source = self.source_of(name)
            if values[name] is None:
                raise FieldValueError(
                    name,
                    f"is missing (read from '{source}')" if source != name else "is missing",
                    "field-missing",
                )
        if values["id"] is not None:
            values["id"] = self.prefix + values["id"]
        if values["duration_s"] is None:
            values["duration_s"] = 0.0
        elif values["duration_s"] <= 0:
            raise FieldValueError("duration_s", f"must be above 0, got {values['duration_s']}")
        if values["text_source"] is not None and values["text_source"] not in TEXT_SOURCES:
            raise FieldValueError(
                "text_source", f"must be one of {', '.join(TEXT_SOURCES)}, got {values['text_source']!r}"
            )
        extra = {k: v for k, v in row.items() if k not in used and k != "extra" and not _missing(v)}
        inner = row.get("extra")
        if inner is not None and not isinstance(inner, Mapping):
            raise FieldValueError("extra", f"must be an object, got {type(inner).__name__}", "field-type")
        return Utterance(**values, extra={**(inner or {}), **extra, **outside})

    def _value(self, name: str, value: Any, outside: dict[str, Any]) -> Any:
        """A value in its field's type, None for a missing one. An impossible age goes to `outside`."""
        if self.missing is None:
            return convert(name, value)
        if self.missing.drops(name, value):
            return None
        converted = convert(name, value)
        if name == "age" and converted is not None and not 0 <= converted <= OLDEST:
            self.missing.add_age(value)
            outside[name] = value
            return None
        return converted

    def _end(self, row: Mapping[str, Any]) -> float | None:
        """The end of a row's stretch, in seconds; None without one."""
        try:
            end: float | None = convert("duration_s", row.get(self.source_of(END)))
        except FieldValueError as error:
            raise FieldValueError(END, error.problem, "field-type") from None
        return end


def convert(name: str, value: Any) -> Any:
    """`value` in the type of the `Utterance` field `name`. A missing value gives None.

    None and NaN are missing, and so is an empty string in any field but `text` and `script_id`. Texts but those of
    `AS_WRITTEN` are composed (NFC) and stripped. Phones and error labels are stripped but not composed: a task finds
    them in its inventory. A list of emotions is joined by `|`. A number, and a name that is one, is a text without the
    fraction 0: 2.0 becomes "2".

    Raises:
        FieldValueError: the value has another type.
    """
    if _missing(value):
        return None
    if name in FLOAT_FIELDS or name in INT_FIELDS:
        return _number(name, value)
    if name in LIST_FIELDS:
        if isinstance(value, str):
            return tuple(_encodable(name, value).split())
        items = value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            raise FieldValueError(name, f"must be a list of strings, got {_short(value)}", "field-type")
        return tuple(_encodable(name, item).strip() for item in items)
    if name == "emotion" and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        value = "|".join(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FieldValueError(name, f"must be text, got {_short(value)}", "field-type")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = _encodable(name, str(value))
    if name in NAMES:
        text = whole_number(text)
    if name not in AS_WRITTEN:
        text = composed(text).strip()
    if not text and name in ("id", "audio"):
        return None
    if not text and name not in ("text", "script_id"):
        return None
    return text


def stretch(start: float | None, length: float | None, end: float | None) -> tuple[float | None, float]:
    """Start and length of an utterance; (None, 0) for a whole file, whose length is read from the audio.

    Raises:
        FieldValueError: it begins before the file, or ends before it begins.
    """
    if start is None and end is None:
        return None, 0.0
    begin = start or 0.0
    if begin < 0:
        raise FieldValueError("start_s", f"must not be below 0, got {begin:g}")
    if end is not None:
        length = end - begin
    if length is not None and length <= 0:
        raise FieldValueError("duration_s", f"is {length:g} s; a stretch must end after it begins")
    return begin, length or 0.0


def canonical_extra(extra: Mapping[str, Any]) -> str | None:
    """`extra` as JSON in one fixed spelling (sorted keys, no spaces), None when empty.

    Raises:
        FieldValueError: it contains infinite numbers, or text that UTF-8 cannot encode.
    """
    if not extra:
        return None
    try:
        text = json.dumps(
            extra, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=str
        )
        text.encode("utf-8")
    except (ValueError, TypeError) as error:
        raise FieldValueError("extra", f"cannot be written as JSON ({error})", "field-encoding") from error
    return text


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(name: str, value: Any) -> float | int | None:
    if isinstance(value, str) and not value.strip():
        return None
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
        if not math.isfinite(number) or (
            name in INT_FIELDS and not (number.is_integer() and 0 <= number < 2**31)
        ):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        expected = "a whole number from 0" if name in INT_FIELDS else "a finite number"
        raise FieldValueError(name, f"must be {expected}, got {_short(value)}", "field-type") from None
    return int(number) if name in INT_FIELDS else number


def _encodable(name: str, text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise FieldValueError(
            name,
            f"holds half a surrogate pair, which UTF-8 cannot write: {_short(text)}",
            "field-encoding",
        ) from None
    return text


def _short(value: Any) -> str:
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
