"""The thresholds of an assessment, which belong to one model, from a file that states where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from soritune.errors import TaskError, reason_of
from soritune.settings import Settings, faults_of, yaml_fault
from soritune.whole_file import write_text

FILE_NAME = "thresholds.yaml"
"""The thresholds of a bundle, beside its card."""


class Thresholds(Settings):
    """Limits that decide; each answer contains all of them."""

    name: str
    """Changes with every change of a value."""
    origin: str
    """On what they were chosen."""
    phone_log_probability: float = Field(le=0)
    """A phone is an error if the natural logarithm of its probability in its place is lower."""
    insertion_log_ratio: float = Field(ge=0)
    """A phone is an insertion if the text with it is more probable than without it by more than this, as a natural
    logarithm."""
    least_candidate_probability: float = Field(default=0.5, ge=0, le=1)
    """An error is unclear, and not named, if the most probable phone in its place has a lower probability."""
    least_margin: float
    """Speech is another text if this one is better than decoys by less per phone (`Relatedness.margin`)."""
    least_deviation: float
    """The same in standard deviations of the decoys (`Relatedness.deviation`)."""
    most_phones_per_s: float = Field(gt=0)
    """A recording with less time for the phones of its text is too short for it."""
    least_language_probability: float = Field(ge=0, le=1)
    """Speech is in another language if a recogniser is at least this sure of it; used only with a recogniser."""
    least_speech_s: float = Field(ge=0)
    """With less speech than this, in seconds, a recording counts as silent."""
    least_level_dbfs: float = Field(le=0)
    """Quieter recordings are not assessed: root-mean-square level relative to full scale."""
    most_clipped_share: float = Field(ge=0, le=1)
    """Recordings with more samples at full scale are not assessed."""

    def to_json(self) -> dict[str, Any]:
        """All of them."""
        return self.model_dump()


@dataclass(frozen=True, slots=True)
class StatedThresholds:
    """The thresholds that a file states: all of them, or some that replace those of a model."""

    source: Path | Traversable
    values: Mapping[str, Any]
    """Each of them is valid."""

    def over(self, base: Thresholds | None) -> Thresholds:
        """These thresholds, and those of `base` for the keys that the file does not have. Without a `name` in the file
        they are named after it, and without an `origin` it states what was changed.

        Raises:
            TaskError: keys are missing, and there is no base.
        """
        given = dict(self.values)
        missing = [
            key for key, known in Thresholds.model_fields.items() if known.is_required() and key not in given
        ]
        if missing and base is None:
            raise TaskError(
                f"the thresholds {self.source} have no {', '.join(missing)}; a file may leave out keys only for a "
                "model that has thresholds of its own"
            )
        if base is None or not missing:
            return Thresholds.model_validate(given)
        changed = ", ".join(f"{key} {value}" for key, value in given.items() if key not in _TEXTS)
        texts = {
            "name": Path(self.source.name).stem,
            "origin": f"{base.origin} Changed by {self.source.name}: {changed or 'nothing'}.",
        }
        return Thresholds.model_validate(base.to_json() | texts | given)


_TEXTS = ("name", "origin")
_VALID: Mapping[str, Any] = {
    "name": "",
    "origin": "",
    **{key: 0.0 for key in Thresholds.model_fields if key not in _TEXTS},
    "most_phones_per_s": 1.0,
}
"""Valid values, beside which the keys of an incomplete file are checked."""


def packaged_thresholds(model: str) -> Thresholds | None:
    """The thresholds of a model of the package by the last part of its name, such as `tiny-ko`; None without a file."""
    source = files("soritune.assessment") / "thresholds" / f"{model}.yaml"
    return _read(source) if source.is_file() else None


def load_thresholds(path: Path | str, base: Thresholds | None = None) -> Thresholds:
    """Reads a file of thresholds.

    Args:
        path: of the file.
        base: has the thresholds that the file leaves out; without it the file must have all.

    Raises:
        TaskError: a file that cannot be read, values that are not thresholds, or keys that are missing.
    """
    return read_stated(path).over(base)


def read_stated(path: Path | str) -> StatedThresholds:
    """Reads a file with all thresholds or some of them.

    Raises:
        TaskError: a file that cannot be read, or values that are not thresholds.
    """
    return _stated(Path(path))


def write_thresholds(path: Path | str, thresholds: Thresholds) -> None:
    """Writes a file that `load_thresholds` reads.

    Raises:
        OutputError: it cannot be written.
    """
    text = yaml.safe_dump(thresholds.to_json(), allow_unicode=True, sort_keys=False, width=110)
    write_text(path, f"# Thresholds of an assessment, for one model alone.\n{text}")


def _read(source: Path | Traversable) -> Thresholds:
    return _stated(source).over(None)


def _stated(source: Path | Traversable) -> StatedThresholds:
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise TaskError(f"the thresholds {source} are not valid YAML: {yaml_fault(error)}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"the thresholds {source} are not UTF-8 text") from error
    except OSError as error:
        raise TaskError(f"the thresholds {source} cannot be read ({reason_of(error)})") from error
    if not isinstance(content, dict):
        raise TaskError(
            f"the thresholds {source} are not a mapping; write lines such as 'phone_log_probability: -10', or let "
            "`soritune assess --choose-thresholds FILE` write such a file"
        )
    try:
        Thresholds.model_validate({**_VALID, **content})
    except ValidationError as error:
        raise TaskError(f"the thresholds {source}: {'; '.join(faults_of(error, Thresholds))}") from None
    return StatedThresholds(source, content)
