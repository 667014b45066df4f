"""One utterance: the row that all parts of soritune work on. Next: `corpus/manifest.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

TextSource = Literal["gold", "asr", "none"]
TEXT_SOURCES: tuple[TextSource, ...] = get_args(TextSource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A stretch of audio and what is known about it.

    `id`, `audio` and `duration_s` are required; everything else may be None. A task names the fields it needs.
    """

    id: str
    audio: str
    """Path relative to the manifest's root, or absolute."""
    duration_s: float
    start_s: float | None = None
    """Start of the utterance in the audio file; None means the whole file."""
    channel: int | None = None
    """Channel to read, counted from 0; None mixes all channels to mono."""
    sample_rate_hz: int | None = None
    speaker: str | None = None
    text: str | None = None
    text_source: TextSource | None = None
    """Origin of `text`: written by people (gold), by a recogniser (asr), or missing (none)."""
    language: str | None = None
    emotion: str | None = None
    phones: tuple[str, ...] | None = None
    """The spoken phones; if None, a task may derive them from `text`."""
    canonical: tuple[str, ...] | None = None
    perceived: tuple[str, ...] | None = None
    error_labels: tuple[str, ...] | None = None
    age: float | None = None
    gender: str | None = None
    first_language: str | None = None
    script_id: str | None = None
    """The prompt: equal ids mean the same prompt. If None, the text identifies it."""
    snr_db: float | None = None
    source: str | None = None
    """The corpus this row came from."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further facts of the corpus; JSON values."""

    @property
    def script(self) -> str | None:
        """Identifies the prompt: `script_id`, else the text with single spaces, else None."""
        if self.script_id is not None:
            return self.script_id
        return None if not self.text else " ".join(self.text.split())

    @property
    def pcm(self) -> str | None:
        """The format of a headerless file, such as "s16le:16000" (`audio/pcm.py`); None for files with a header."""
        given = self.extra.get("pcm")
        return given if isinstance(given, str) else None


FIELDS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Utterance))
REQUIRED_FIELDS: tuple[str, ...] = ("id", "audio", "duration_s")
