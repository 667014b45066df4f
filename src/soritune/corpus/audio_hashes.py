"""Hashes of the samples of each row, by which the same recording is found under any id, path or speaker.

`check` decodes every file and keeps the hashes beside its manifest. Without them, a few rows of
similar length are decoded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from soritune.audio.channels import Float32Array
from soritune.audio.quality import is_constant
from soritune.audio.waveform import read_audio
from soritune.corpus.file_names import AUDIO_HASHES_FILE
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.reading.parallel_map import parallel_map
from soritune.corpus.sound_likeness import LENGTH_S, SIZE, Likeness, likeness
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError
from soritune.whole_file import whole_file

AudioHashes = NDArray[np.uint64]
"""(utterances,) hash of the samples of each row; 0 if it is unknown."""


class Hashed(NamedTuple):
    """What the audio of a manifest's rows is compared by."""

    hashes: AudioHashes
    likeness: Likeness | None = None
    """(utterances, 256) what each row sounds like; None if it is not compared."""
    num_unread: int = 0
    """Rows that should have been decoded, and could not be read."""


SAMPLE_RATE_HZ = 16000
"""Rate at which samples are compared."""
SCHEMA_VERSION = "soritune.audio_hashes/2"
MOST_DECODED = 20_000
"""Without a stored file, more rows are not decoded: that takes as long as `check`, which also keeps the result."""
_EDGE = 400
"""Samples at both ends at which resampling changes a constant signal."""


def read_row(manifest: Manifest, utterance: Utterance) -> Float32Array:
    """The samples of a row, (samples,) at `SAMPLE_RATE_HZ`.

    Raises:
        AudioError: they cannot be read.
    """
    return read_audio(
        manifest.audio_path(utterance),
        start_s=utterance.start_s,
        duration_s=None if utterance.start_s is None else utterance.duration_s,
        channel=utterance.channel,
        sample_rate_hz=SAMPLE_RATE_HZ,
        pcm=utterance.pcm,
    )


def hash_samples(samples: Float32Array) -> int:
    """64 bits, equal for equal samples at 16 bits; 0 for samples that do not vary, which are no sign of a copy."""
    edge = min(_EDGE, len(samples) // 4)
    if is_constant(samples[edge : len(samples) - edge]):
        return 0
    rounded = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    if len(rounded) and (rounded == rounded[0]).all():
        return 0
    return int.from_bytes(hashlib.blake2b(rounded.tobytes(), digest_size=8).digest(), "little") or 1


def save_audio_hashes(folder: Path, manifest: Manifest, hashed: Hashed) -> None:
    """Writes what the audio of a manifest's rows is compared by into `folder`, beside the manifest.

    Raises:
        OutputError: the file cannot be written.
    """
    metadata = {"soritune.schema": SCHEMA_VERSION, "soritune.manifest_hash": manifest.hash}
    columns = {"id": manifest.column("id"), "hash": pa.array(hashed.hashes, pa.uint64())}
    if hashed.likeness is not None:
        content = pa.py_buffer(np.ascontiguousarray(hashed.likeness).tobytes())
        columns["likeness"] = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(SIZE), len(manifest), [None, content]
        )
    table = pa.table(columns)
    with whole_file(folder / AUDIO_HASHES_FILE) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part, compression="zstd")


def stored_audio_hashes(manifest: Manifest) -> Hashed | None:
    """What is stored beside a manifest, of all its rows or of a part; None without it."""
    if manifest.path is None:
        return None
    file = manifest.path.resolve().parent / AUDIO_HASHES_FILE
    if not file.is_file():
        return None
    with suppress(pa.ArrowException, OSError, ManifestError):
        table = pq.read_table(file)
        metadata = table.schema.metadata or {}
        if metadata.get(b"soritune.schema", b"").decode() != SCHEMA_VERSION:
            return None
        stated = metadata.get(b"soritune.manifest_hash", b"").decode()
        if stated != manifest.hash:
            if len(table) <= len(manifest) or stated != load_manifest(manifest.path).hash:
                return None
            table = table.take(pc.index_in(manifest.column("id"), value_set=table.column("id")))
        hashes = np.asarray(table.column("hash").to_numpy(), dtype=np.uint64)
        if "likeness" not in table.column_names:
            return Hashed(hashes)
        content = b"".join(table.column("likeness").to_pylist())
        return Hashed(hashes, np.frombuffer(content, dtype=np.int8).reshape(-1, SIZE))
    return None


def audio_hashes(
    manifest: Manifest,
    *,
    durations_s: NDArray[np.float64] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Hashed | None:
    """What the audio of a manifest's rows is compared by: as stored, or else from the rows that may be copies.

    Args:
        manifest: what is compared.
        durations_s: lengths of the rows it is compared with; None compares its rows with each other.
        progress: called with the number of rows decoded and their total.

    Returns:
        The hash of a row is 0 and its likeness zeros if it cannot be read, or if no other row has such a length. None
        if more than `MOST_DECODED` rows would have to be decoded.
    """
    stored = stored_audio_hashes(manifest)
    if stored is not None:
        return stored
    rows = _of_similar_length(manifest.durations_s, durations_s)
    if len(rows) > MOST_DECODED:
        return None
    hashes, num_unread = np.zeros(len(manifest), dtype=np.uint64), 0
    likenesses = np.zeros((len(manifest), SIZE), dtype=np.int8)

    def compared_by(utterance: Utterance) -> tuple[int, NDArray[np.int8]] | None:
        try:
            samples = read_row(manifest, utterance)
        except AudioError:
            return None
        return hash_samples(samples), likeness(samples)

    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        results = parallel_map(pool, compared_by, manifest.utterances(rows), 16 * threads)
        for done, (row, (_, result)) in enumerate(zip(rows, results, strict=True), start=1):
            if result is None:
                num_unread += 1
            else:
                hashes[row], likenesses[row] = result
            if progress is not None:
                progress(done, len(rows))
    return Hashed(hashes, likenesses, num_unread)


def _of_similar_length(
    durations_s: NDArray[np.float64], others_s: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """Rows whose length is within `LENGTH_S` of another row's, or of one of the others', if these are given."""
    if others_s is not None:
        known = np.concatenate([[-np.inf], np.sort(others_s), [np.inf]])
        after = np.searchsorted(known, durations_s)
        nearest = np.minimum(known[after] - durations_s, durations_s - known[after - 1])
        return np.flatnonzero(nearest <= LENGTH_S)
    order = np.argsort(durations_s, kind="stable")
    is_near = np.diff(durations_s[order]) <= LENGTH_S
    chosen = np.concatenate([is_near, [False]]) | np.concatenate([[False], is_near])
    return np.sort(order[chosen[: len(order)]])
