"""A file that a decoder reads: on disk, or as bytes from a container. Next: `audio/audio_store.py`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A whole file. The decoders read every file through this class, so that they need not know where it is."""

    path: Path
    """Its path for messages; one that exists if `content` is None."""
    content: bytes | None = None
    """Its bytes, if it is in a container or on another machine; None for a file on disk."""

    @classmethod
    def of(cls, file: Path | AudioFile) -> AudioFile:
        """The file itself, or the one on disk at a path."""
        return file if isinstance(file, AudioFile) else cls(file)

    def open(self, *, buffering: int = -1) -> IO[bytes]:
        """A stream of its bytes that can seek."""
        return self.path.open("rb", buffering=buffering) if self.content is None else io.BytesIO(self.content)

    @property
    def source(self) -> str | IO[bytes]:
        """What libsndfile and PyAV are given: a path, or a stream."""
        return str(self.path) if self.content is None else io.BytesIO(self.content)
