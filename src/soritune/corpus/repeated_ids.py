"""Finding ids that occur twice among millions, exactly, with 8 bytes a row in memory.

A set of 1.77 million texts takes 190 MiB, as much as everything else that a training reads of a manifest. Here each id
is a number of 64 bits, the sum of its bytes multiplied by random numbers of their positions (multilinear hashing,
Carter and Wegman 1979). Only ids whose numbers are equal are compared as texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_BLOCK_BYTES = 4 << 20
"""Bytes of ids that are multiplied at a time; each takes 8 bytes then."""
_MOST_FACTORS = 1 << 16
_FACTORS = np.random.default_rng(0x50121).integers(1 << 63, size=_MOST_FACTORS, dtype=np.uint64) * 2 + 1


def repeated_ids(chunks: Callable[[], Iterable[pa.Array]]) -> dict[str, int]:
    """Id → how often it occurs, for those that occur more than once.

    Args:
        chunks: gives the ids from the beginning, part by part, whenever it is called. Texts without nulls.
    """
    numbers = np.concatenate([np.zeros(0, dtype=np.uint64), *map(_numbers, chunks())])
    ordered = np.sort(numbers)
    suspects = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(suspects):
        return {}
    start, texts = 0, list[pa.Array]()
    for chunk in chunks():
        chosen = np.isin(numbers[start : start + len(chunk)], suspects)
        texts.append(chunk.filter(pa.array(chosen)))
        start += len(chunk)
    counts = pc.value_counts(pa.chunked_array(texts))
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).to_pylist()
    return {entry["values"]: entry["counts"] for entry in repeated}


def _numbers(chunk: pa.Array) -> NDArray[np.uint64]:
    """(ids,) a number for each id; equal ids have equal numbers."""
    return np.concatenate([np.zeros(0, dtype=np.uint64), *map(_numbers_of_block, _blocks(chunk))])


def _blocks(chunk: pa.Array) -> Iterator[pa.Array]:
    """The ids in parts of about `_BLOCK_BYTES`."""
    rows = max(1, int(len(chunk) * _BLOCK_BYTES / max(chunk.nbytes, 1)))
    for start in range(0, len(chunk), rows):
        yield chunk.slice(start, rows)


def _numbers_of_block(block: pa.Array) -> NDArray[np.uint64]:
    texts = block.cast(pa.large_binary())
    _, offsets_buffer, content = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    lengths = np.diff(offsets)
    numbers = lengths.astype(np.uint64)
    filled = lengths > 0
    if not filled.any():
        return numbers
    raw = np.frombuffer(content, dtype=np.uint8)[offsets[0] : offsets[-1]]
    position = np.arange(len(raw)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    products = (raw.astype(np.uint64) + np.uint64(1)) * _FACTORS[position % _MOST_FACTORS]
    numbers[filled] += np.add.reduceat(products, (offsets[:-1] - offsets[0])[filled])
    return numbers
