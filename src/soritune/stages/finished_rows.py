"""Rows of finished recordings on the disk while a long call runs, so that one that is killed loses none of them.

    OUTPUT.unfinished    a line with the header, then a line per finished recording: its rows, and when it was changed

The file is deleted when the predictions are written. Next: `stages/earlier_predictions.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from soritune.errors import OutputError, reason_of
from soritune.inference.clips import Item, clips_of
from soritune.inference.header import Header
from soritune.inference.json_values import without_nan
from soritune.inference.predictions import Row
from soritune.stages.earlier_predictions import refuse_other_settings
from soritune.strict_json import parse_json
from soritune.whole_file import lock_file

SUFFIX = ".unfinished"
FILES_AT_ONCE = 32
"""Files that are sorted into batches together, so that the first ones are finished long before the last ones."""


class FinishedRows:
    """The file of one call, which no other call may use at the same time; `finished_rows` opens it."""

    def __init__(self, output: Path, stream: BinaryIO) -> None:
        self.path = unfinished_file(output)
        self._stream = stream

    def header(self) -> Header | None:
        """That of the call that was killed; None if the file is new."""
        self._stream.seek(0)
        first = _value(self._stream.readline())
        return Header(first) if isinstance(first, Mapping) and first else None

    def rows(self, header: Header) -> list[Row]:
        """The rows of the call that was killed whose recordings have not changed since, and makes ready for more.

        Args:
            header: of the predictions that are about to be made.

        Raises:
            OutputError: the rows were made with other models or settings.
        """
        earlier = self.header()
        if earlier is not None:
            refuse_other_settings(self.path, earlier, header)
        rows: list[Row] = []
        end = self._stream.tell() if earlier is not None else 0
        while earlier is not None and (line := self._stream.readline()):
            value = _value(line)
            if value is None:
                break  # the kill came while this line was written
            end = self._stream.tell()
            now = changed_at(value["audio"])
            if now is None or now == value["changed"]:  # a deleted recording keeps its rows
                rows += value["rows"]
        self._stream.seek(end)
        self._stream.truncate()
        if earlier is None:
            self._write(header.to_json())
        return rows

    def watch(self, rows: Iterable[Row], items: Sequence[Item]) -> Iterator[Row]:
        """Passes the rows on; those of a recording are written when its last one has come, if none has an error.

        Args:
            rows: in the order of the items; the channels of one follow each other.
            items: files, or requests with a file, that are predicted.
        """
        by_file = {_audio_of(item): item for item in items}
        # A recording that changes while it is predicted is predicted again.
        changed = {file: changed_at(file) for file in by_file}
        kept: list[Row] = []
        for row in rows:
            audio = str(row["audio"])
            if kept and kept[0]["audio"] != audio:
                kept = []
            kept.append(row)
            is_whole = audio in by_file and len(kept) == sum(1 for _ in clips_of([by_file[audio]], None))
            if is_whole and not any("error" in each for each in kept):
                self._write({"audio": audio, "changed": changed[audio], "rows": kept})
            yield row

    def delete(self) -> None:
        """Deletes the file, when the predictions are written."""
        self.path.unlink(missing_ok=True)

    def _write(self, value: Mapping[str, Any]) -> None:
        line = json.dumps(without_nan(value), ensure_ascii=False) + "\n"
        try:
            self._stream.write(line.encode("utf-8", "backslashreplace"))
            self._stream.flush()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({reason_of(error)})") from error


@contextmanager
def finished_rows(output: Path) -> Iterator[FinishedRows]:
    """Opens the file of finished rows of an output.

    Raises:
        OutputError: another call is writing the same output, or the file cannot be written to.
    """
    path = unfinished_file(output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = open(os.open(path, os.O_CREAT | os.O_RDWR, 0o666), "r+b")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({reason_of(error)})") from error
    with stream:
        # A call that has just ended may have deleted the file that was opened.
        if not lock_file(stream.fileno()) or _inode(path) != os.fstat(stream.fileno()).st_ino:
            raise OutputError(
                f"another call is writing {output}; wait until it has ended, or choose another --output"
            )
        yield FinishedRows(output, stream)
        if stream.seek(0, os.SEEK_END) == 0:
            path.unlink(missing_ok=True)


def unfinished_file(output: Path) -> Path:
    """Where the finished rows of an output are until it is written."""
    return output.with_name(output.name + SUFFIX)


def changed_at(audio: str) -> int | None:
    """When a recording was changed, in nanoseconds; None if it does not exist."""
    try:
        return os.stat(audio).st_mtime_ns
    except OSError:
        return None


def _audio_of(item: Item) -> str:
    """The file of an item: itself, or the audio of a request."""
    return str(item["audio"] if isinstance(item, Mapping) else item)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _value(line: bytes) -> Any:
    """The content of a whole line; None if it was cut."""
    if not line.endswith(b"\n"):
        return None
    try:
        return parse_json(line.decode("utf-8"))
    except ValueError:
        return None
