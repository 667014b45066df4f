"""The thresholds of an assessment, which belong to one model, from a file that states where they come from."""

from __future__ import annotations

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


def packaged_thresholds(model: str) -> Thresholds | None:
    """The thresholds of a model of the package by the last part of its name, such as `tiny-ko`; None without a file."""
    source = files("soritune.assessment") / "thresholds" / f"{model}.yaml"
    return _read(source) if source.is_file() else None


def load_thresholds(path: Path | str) -> Thresholds:
    """Reads a file of thresholds.

    Raises:
        TaskError: a file that cannot be read, or values that are not thresholds.
    """
    return _read(Path(path))


def write_thresholds(path: Path | str, thresholds: Thresholds) -> None:
    """Writes a file that `load_thresholds` reads.

    Raises:
        OutputError: it cannot be written.
    """
    text = yaml.safe_dump(thresholds.to_json(), allow_unicode=True, sort_keys=False, width=110)
    write_text(path, f"# Thresholds of an assessment, for one model alone.\n{text}")


def _read(source: Path | Traversable) -> Thresholds:
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
            f"the thresholds {source} are not a mapping; `soritune assess --choose-thresholds FILE` writes such a file"
        )
    try:
        return Thresholds.model_validate(content)
    except ValidationError as error:
        raise TaskError(f"the thresholds {source}: {'; '.join(faults_of(error, Thresholds))}") from None
