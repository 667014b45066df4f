"""The hash of a manifest's content: worked out by hand for one table, independent of chunks, sensitive to values."""

from __future__ import annotations

import hashlib
import struct

import pyarrow as pa
import pytest

from soritune.corpus.content_hash import content_hash
from soritune.corpus.manifest import SCHEMA
from soritune.corpus.utterance import FIELDS

ROWS = {
    "id": ["가", "b"],
    "duration_s": [1.0, 2.5],
    "channel": [1, None],
    "phones": [["G", "A"], None],
    "text": ["", None],
}


def hash_of(rows: dict[str, list[object]], *, chunks: int = 1, version: str = "v") -> str:
    count = len(rows["id"])
    size = -(-count // chunks)

    def column_of(name: str) -> pa.ChunkedArray:
        values = rows.get(name, [None] * count)
        parts = [
            pa.array(values[start : start + size], SCHEMA.field(name).type) for start in range(0, count, size)
        ]
        return pa.chunked_array(parts)

    return content_hash(column_of, version, count)


def test_hash_is_the_one_worked_out_by_hand() -> None:
    """Per column: the name, then the hashes of validity, list lengths, text lengths and values, little-endian."""
    written = {
        "id": (b"\1\1", b"", struct.pack("<2q", 3, 1), "가b".encode()),
        "duration_s": (b"\1\1", b"", b"", struct.pack("<2d", 1.0, 2.5)),
        "channel": (b"\1\0", b"", b"", struct.pack("<i", 1)),
        "phones": (b"\1\0", struct.pack("<q", 2), struct.pack("<2q", 1, 1), b"GA"),
        "text": (b"\1\0", b"", struct.pack("<q", 0), b""),
    }
    digest = hashlib.sha256(b"v 2")
    for name in FIELDS:
        digest.update(name.encode())
        for part in written.get(name, ()):
            digest.update(hashlib.sha256(part).digest())
    assert hash_of(ROWS) == digest.hexdigest()


def test_chunks_do_not_change_the_hash() -> None:
    rows = {"id": [f"u{i}" for i in range(7)], "phones": [["G"] * (i % 3) for i in range(7)]}
    assert len({hash_of(rows, chunks=chunks) for chunks in (1, 2, 3, 7)}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"text": [None, None]},
        {"text": [None, ""]},
        {"phones": [["GA"], None]},
        {"phones": [["G", "A"], []]},
        {"phones": [["G"], ["A"]]},
        {"channel": [None, 1]},
        {"duration_s": [2.5, 1.0]},
        {"id": ["가b", ""]},
    ],
)
def test_every_change_of_a_value_changes_the_hash(changed: dict[str, list[object]]) -> None:
    assert hash_of({**ROWS, **changed}) != hash_of(ROWS)


def test_version_is_part_of_the_hash() -> None:
    assert hash_of(ROWS, version="w") != hash_of(ROWS)
