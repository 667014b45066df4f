"""What a recogniser made of each clip, line by line, so that an interrupted call can be resumed.

The file is beside the output and is kept: with other thresholds, or with further recordings, only new clips are
recognised. Next: `stages/transcribe.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from soritune.errors import OutputError, reason_of
from soritune.inference.clips import Clip
from soritune.inference.recognition.recogniser import RecognisedText
from soritune.strict_json import parse_json

SCHEMA = "soritune.recognised/1"
Key = tuple[Any, ...]


class RecognitionLog:
    """The texts of the clips that are done. Closed by `with`.

    Args:
        path: the file; its folder is made.
        settings: of the recogniser; texts of other settings are refused.
        resume: keep the texts of an earlier call.

    Raises:
        OutputError: the file exists and `resume` is false, is something else, holds texts of another recogniser, or
            cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self.texts: dict[Key, RecognisedText] = {}
        self._settings = dict(settings)
        if path.exists() and not resume:
            raise OutputError(
                f"{path} holds the texts of an earlier call",
                "repeat the command with --resume to keep them, or choose another --output",
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            size = self._read() if path.exists() else 0
            self._stream: IO[bytes] = path.open("ab")
            self._stream.truncate(size)  # a line that was not finished
            if size == 0:
                self._write({"schema": SCHEMA, "recogniser": self._settings})
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written ({reason_of(error)})", "choose another path"
            ) from error

    def __enter__(self) -> RecognitionLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def get(self, clip: Clip) -> RecognisedText | None:
        """The text of a clip that is done."""
        return self.texts.get(key_of(clip))

    def add(self, clip: Clip, text: RecognisedText) -> None:
        """Keeps the text of a clip.

        Raises:
            OutputError: the disk is full.
        """
        self.texts[key_of(clip)] = text
        try:
            self._write({"clip": key_of(clip), **text.to_json()})
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({reason_of(error)})") from error

    def _write(self, content: Mapping[str, Any]) -> None:
        line = json.dumps(content, ensure_ascii=False) + "\n"
        self._stream.write(line.encode("utf-8", "backslashreplace"))
        self._stream.flush()

    def _read(self) -> int:
        """Reads the file; returns the length of its whole lines in bytes.

        Raises:
            OutputError: it is something else, or of another recogniser.
        """
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        # Not `splitlines`, which also splits at characters that a text or a name may have, such as U+2028.
        lines = whole.decode("utf-8", "replace").split("\n")[:-1]
        try:
            header, *rows = [parse_json(line) for line in lines] or [{"schema": SCHEMA}]
            if not isinstance(header, dict) or header.get("schema") != SCHEMA:
                raise ValueError("its first line is another one")
            texts = {tuple(row["clip"]): RecognisedText.from_json(row) for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{self.path} is not a file of recognised texts ({error})",
                "move it away, or choose another --output",
            ) from error
        stored = header.get("recogniser", self._settings)
        changed = sorted(key for key in self._settings if stored.get(key) != self._settings[key])
        if changed:
            raise OutputError(
                f"{self.path} holds texts of a recogniser with another {', '.join(changed)}",
                "give the same settings to resume, or choose another --output",
            )
        self.texts = texts
        return len(whole) if lines else 0


def key_of(clip: Clip) -> Key:
    """Equal for the same stretch of the same, unchanged file under the same id; JSON keeps it equal.

    A file counts as unchanged while its size and its time of modification are the same, as for `make`.
    """
    length = None if clip.start_s is None else clip.duration_s
    path = clip.audio if clip.path is None else str(clip.path.absolute())
    key = (clip.id, path, *_version(clip.path), clip.start_s, length, clip.channel, clip.pcm)
    return tuple(
        part.encode("utf-8", "backslashreplace").decode() if isinstance(part, str) else part for part in key
    )


def _version(path: Path | None) -> tuple[int | None, int | None]:
    """Size in bytes and time of modification in ns; None for samples in memory and for a file that is missing."""
    try:
        status = None if path is None else path.stat()
    except OSError:  # reading the clip reports it
        status = None
    return (None, None) if status is None else (status.st_size, status.st_mtime_ns)
