"""The thresholds of an assessment, from a file that states where they come from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from soritune.errors import TaskError
from soritune.settings import Settings, faults_of


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


def load_thresholds(path: Path | str | None = None) -> Thresholds:
    """Reads thresholds; None reads those of the package.

    Raises:
        TaskError: a file that cannot be read, or values that are not thresholds.
    """
    source = files("soritune.assessment") / "thresholds.yaml" if path is None else Path(path)
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaskError(
            f"the thresholds {source} cannot be read ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(content, dict):
        raise TaskError(f"the thresholds {source} are not a mapping; see thresholds.yaml in the package")
    try:
        return Thresholds.model_validate(content)
    except ValidationError as error:
        raise TaskError(f"the thresholds {source}: {'; '.join(faults_of(error, Thresholds))}") from None
