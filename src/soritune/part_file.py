"""Part files: the result of one job as JSON lines, written whole, with a digest of all that the job depends on.

A part file is its own done-marker: one that exists with the digest of a job is the result of this job, so an
interrupted command uses it, and works again on parts whose rows or settings have changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from soritune.strict_json import parse_json
from soritune.whole_file import whole_file

SCHEMA = "soritune.part/1"
Item = TypeVar("Item")


def digest_of(*values: object) -> str:
    """A digest of values by their `repr`, which must depend on their content alone."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(repr(value).encode("utf-8", "backslashreplace") + b"\n")
    return digest.hexdigest()


def blocks_of(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items in their order; the last one may be shorter."""
    stream = iter(items)
    while block := list(islice(stream, size)):
        yield block


def part_name(number: int) -> str:
    """Name of the file of a part, from 0."""
    return f"part-{number:06d}.jsonl"


def write_part(file: Path, digest: str, lines: Iterable[Mapping[str, Any] | None]) -> None:
    """Writes a part file and flushes it to the disk.

    Raises:
        OutputError: it cannot be written, as on a full disk; no part of it is left.
    """
    with (
        whole_file(file) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream,
    ):
        stream.write(json.dumps({"schema": SCHEMA, "digest": digest}) + "\n")
        for line in lines:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def is_part(file: Path, digest: str) -> bool:
    """Whether the file is the result of the job with this digest."""
    try:
        with file.open(encoding="utf-8") as stream:
            return bool(parse_json(stream.readline()) == {"schema": SCHEMA, "digest": digest})
    except (OSError, ValueError):
        return False


def read_part(file: Path, digest: str) -> list[Any] | None:
    """The lines of a part file; None if it is missing, damaged or of another job."""
    if not is_part(file, digest):
        return None
    try:
        with file.open(encoding="utf-8") as stream:
            stream.readline()
            return [json.loads(line) for line in stream]
    except (OSError, ValueError):
        return None
