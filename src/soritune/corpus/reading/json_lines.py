"""Manifests of other toolkits: one JSON object per line, also compressed by gzip; a faulty line is rejected alone."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from soritune.corpus.reading.json_text import parse_noting_repeats
from soritune.corpus.reading.outcomes import Rejected
from soritune.errors import ManifestError, reason_of

SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
_GZIP = b"\x1f\x8b"


def json_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]] | Rejected]:
    """Line number and object of every line that is not empty; a line without an object is rejected.

    Raises:
        ManifestError: the file cannot be read, or its compressed data is damaged.
    """
    try:
        with _opened(file) as stream:
            for number, raw in enumerate(stream, start=1):
                if raw.strip():
                    yield _object(raw.removeprefix(b"\xef\xbb\xbf"), number, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ManifestError(f"is damaged: its compressed data cannot be read ({error})", path=file) from error
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error


def is_json_lines(path: Path) -> bool:
    """Whether a file's name is that of JSON lines, compressed or not."""
    return path.name.lower().endswith(SUFFIXES)


def plain_stem(path: Path) -> str:
    """The name of such a file without its suffixes.

    >>> plain_stem(Path("cuts_train.jsonl.gz"))
    'cuts_train'
    """
    return next(
        (path.name[: -len(s)] for s in reversed(SUFFIXES) if path.name.lower().endswith(s)), path.stem
    )


def _opened(file: Path) -> BinaryIO:
    with file.open("rb") as stream:
        compressed = stream.read(2) == _GZIP
    return cast(BinaryIO, gzip.GzipFile(file)) if compressed else file.open("rb")


def _object(raw: bytes, number: int, file: Path) -> tuple[int, dict[str, Any]] | Rejected:
    location = f"{file.name} line {number}"
    try:
        value, _ = parse_noting_repeats(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Rejected(
            file.name, f"{location}: is not UTF-8 text (byte {error.start})", kind="text-encoding"
        )
    except ValueError as error:
        return Rejected(file.name, f"{location}: is not JSON ({error})", kind="line-not-json")
    if not isinstance(value, dict):
        reason = f"{location}: must be a JSON object, got {type(value).__name__}"
        return Rejected(file.name, reason, kind="line-not-object")
    return number, value
