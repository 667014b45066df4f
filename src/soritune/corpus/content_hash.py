"""A hash of the content of a manifest, computed from its columns without Python objects for the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soritune.corpus.utterance import FIELDS


def content_hash(column_of: Callable[[str], pa.ChunkedArray], version: str, num_rows: int) -> str:
    """sha256 over all `Utterance` fields in order; row groups and file formats do not change it."""
    digest = hashlib.sha256(f"{version} {num_rows}".encode())
    for name in FIELDS:
        column = column_of(name)
        digest.update(name.encode())
        if column.null_count == len(column):
            continue
        # Valid rows, lengths of lists, lengths of texts and values are hashed separately, so chunks do not matter.
        parts = [hashlib.sha256() for _ in range(4)]
        for chunk in column.chunks:
            parts[0].update(chunk.is_valid().cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes())
            known = chunk.drop_null()
            if pa.types.is_list(known.type):
                parts[1].update(pc.list_value_length(known).to_numpy().astype("<i8").tobytes())
                known = known.flatten()
            if pa.types.is_string(known.type):
                parts[2].update(pc.binary_length(known).to_numpy().astype("<i8").tobytes())
                parts[3].update(_text_bytes(known))
            else:
                values = known.to_numpy()
                parts[3].update(values.astype(values.dtype.newbyteorder("<")).tobytes())
        for part in parts:
            digest.update(part.digest())
    return digest.hexdigest()


def _text_bytes(texts: pa.StringArray) -> memoryview:
    """The concatenated UTF-8 of all texts, without Python strings."""
    _, offsets, data = texts.buffers()
    if data is None or len(texts) == 0:
        return memoryview(b"")
    ends = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(data)[ends[0] : ends[-1]]
