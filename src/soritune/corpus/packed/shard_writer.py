"""Writes one shard of a packed corpus: recordings as 16 kHz FLAC in an Arrow IPC stream.

What a shard holds is a function of its rows and of their recordings, byte for byte, with the same versions of pyarrow
and libsndfile. A reader never sees a part of it: it is written beside its final name, hashed, flushed to the disk and
renamed, and then its done-marker is written, which states its size and hash. Next: `audio/shard.py`, which reads it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil  # type: ignore[import-untyped,unused-ignore]
import pyarrow as pa
import soundfile
from numpy.typing import NDArray

from soritune.audio.channels import Float32Array
from soritune.audio.shard import AUDIO_COLUMN, CHECKSUM_COLUMN, SCHEMA_VERSION
from soritune.audio.waveform import read_audio
from soritune.corpus.audio_root import refuse_outside
from soritune.corpus.checks import Quarantined
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, OutputError, reason_of
from soritune.strict_json import read_json

SAMPLE_RATE_HZ = 16000
_BATCH_ROWS = 256
_BATCH_BYTES = 32 << 20
"""A record batch ends at this many rows or bytes: a writer holds one of them in memory."""
_STAGE = "pack"
_PART = re.compile(r"\..+\.(?P<process>\d+)@(?P<host>.+)")
"""The name of a shard or marker that is being written."""
_COLUMNS = {
    "id": "string",
    AUDIO_COLUMN: "large_binary",
    "duration_s": "float64",
    "num_samples": "int64",
    CHECKSUM_COLUMN: "uint32",
    "recording": "string",
}
"""`duration_s` is that of the manifest, `checksum` the CRC-32 of `audio`, `recording` the path that was packed. The
types have the same names in Arrow and in `datasets` of Hugging Face."""
_FEATURES = {name: {"dtype": kind, "_type": "Value"} for name, kind in _COLUMNS.items()}
SCHEMA = pa.schema(
    [(name, pa.type_for_alias(kind)) for name, kind in _COLUMNS.items()],
    metadata={
        "soritune.schema": SCHEMA_VERSION,
        "soritune.sample_rate_hz": str(SAMPLE_RATE_HZ),
        "huggingface": json.dumps({"info": {"features": _FEATURES}}),
    },
)
"""With the features as `datasets` of Hugging Face reads them."""


@dataclass(frozen=True)
class ShardJob:
    """The rows of one shard. It can be sent to another process."""

    file: Path
    """Of the shard; the done-marker is beside it."""
    root: Path
    """Where relative audio paths start."""
    utterances: Sequence[Utterance]


@dataclass(frozen=True)
class ShardDone:
    """The done-marker of a shard."""

    sha256: str
    num_bytes: int
    num_rows: int
    """Rows that the shard has."""
    seconds: float
    """Of their audio."""
    num_clipped: int
    """Samples beyond full scale, as resampling makes them, which are cut."""
    left_out: dict[str, Quarantined]
    """Id → why a row could not be packed."""
    schema: str = SCHEMA_VERSION

    @property
    def is_empty(self) -> bool:
        """Whether no row could be packed; such a shard has no file, and is tried again."""
        return self.num_rows == 0


def marker_of(file: Path) -> Path:
    """The done-marker of a shard."""
    return file.with_suffix(".json")


def write_shard(job: ShardJob) -> ShardDone:
    """Packs the rows of a job. Rows whose audio cannot be read are left out with the reason.

    Raises:
        OutputError: the shard cannot be written, as on a full disk; no part of it is left.
    """
    left_out: dict[str, Quarantined] = {}
    counts = {"rows": 0, "clipped": 0, "samples": 0}

    def rows() -> Iterator[dict[str, Any]]:
        for utterance in job.utterances:
            try:
                samples, clipped = int16_samples(read_utterance(job.root, utterance))
                audio = encode_flac(samples)
            except AudioError as error:
                left_out[utterance.id] = Quarantined(
                    utterance.id, utterance.audio, error.reason, _STAGE, error.kind
                )
                continue
            counts["rows"] += 1
            counts["clipped"] += clipped
            counts["samples"] += len(samples)
            yield {
                "id": utterance.id,
                AUDIO_COLUMN: audio,
                "duration_s": utterance.duration_s,
                "num_samples": len(samples),
                CHECKSUM_COLUMN: zlib.crc32(audio),
                "recording": utterance.audio,
            }

    try:
        with _written_beside(job.file) as (part, stream):
            hashed = _Hashed(stream)
            with pa.ipc.new_stream(hashed, SCHEMA) as writer:
                for batch in _batches(rows()):
                    writer.write_batch(batch)
            stream.flush()
            os.fsync(stream.fileno())
            done = ShardDone(
                sha256=hashed.digest,
                num_bytes=hashed.tell(),
                num_rows=counts["rows"],
                seconds=counts["samples"] / SAMPLE_RATE_HZ,
                num_clipped=counts["clipped"],
                left_out=left_out,
            )
            if done.is_empty:
                job.file.unlink(missing_ok=True)
            else:
                os.replace(part, job.file)
        with _written_beside(marker_of(job.file)) as (part, stream):
            text = json.dumps(asdict(done), ensure_ascii=False, indent=1) + "\n"
            stream.write(text.encode("utf-8", "backslashreplace"))
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(part, marker_of(job.file))
    except OSError as error:
        raise OutputError(
            f"{job.file} cannot be written ({reason_of(error)})",
            "finished shards are kept; make room and run the same command again",
        ) from error
    return done


def read_marker(file: Path) -> ShardDone | None:
    """The done-marker of a shard; None if it is not done: without a marker, or without a file of the stated size."""
    try:
        value = read_json(marker_of(file))
        left_out = {name: Quarantined(**row) for name, row in value.pop("left_out").items()}
        done = ShardDone(left_out=left_out, **value)
        size = 0 if done.is_empty else file.stat().st_size
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return None
    return (
        done if done.schema == SCHEMA_VERSION and size == (0 if done.is_empty else done.num_bytes) else None
    )


def sha256_of(file: Path) -> str:
    """sha256 of a file, as hexadecimal text."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_utterance(root: Path, utterance: Utterance) -> Float32Array:
    """The samples of a row at 16 kHz, (samples,) float32, as `Preprocessing.read` gives them.

    Raises:
        AudioError: they cannot be read.
    """
    refuse_outside(utterance.audio, root)
    return read_audio(
        root / utterance.audio,
        start_s=utterance.start_s,
        duration_s=None if utterance.start_s is None else utterance.duration_s,
        channel=utterance.channel,
        sample_rate_hz=SAMPLE_RATE_HZ,
        pcm=utterance.pcm,
    )


def int16_samples(waveform: Float32Array) -> tuple[NDArray[np.int16], int]:
    """Samples of [-1, 1) as whole numbers of 16 bits, and how many were beyond full scale and are cut.

    Samples of a 16-bit file come back exactly: libsndfile divides them by 2^15, which float32 holds.
    """
    scaled = np.rint(waveform * np.float32(32768.0))
    clipped = int(((scaled < -32768) | (scaled > 32767)).sum())
    return np.clip(scaled, -32768, 32767).astype(np.int16), clipped


def encode_flac(samples: NDArray[np.int16]) -> bytes:
    """(samples,) as the bytes of a FLAC file of one channel at 16 kHz."""
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return encoded.getvalue()


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    waiting: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        waiting.append(row)
        size += len(row[AUDIO_COLUMN])
        if len(waiting) == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(waiting, SCHEMA)
            waiting, size = [], 0
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, SCHEMA)


class _Hashed(io.RawIOBase):
    """A file for writing, which hashes what is written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash, self._size = stream, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self._stream.write(content)
        self._hash.update(content)
        self._size += memoryview(content).nbytes
        return memoryview(content).nbytes

    def tell(self) -> int:
        return self._size

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def _written_beside(file: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A file to write beside `file`, which is removed unless it is renamed. Its name has the process that writes it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}@{socket.gethostname()}")
    try:
        with part.open("wb") as stream:
            yield part, stream
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Removes what writers on this machine left when they were killed."""
    for part in folder.glob(".*@*"):
        match = _PART.fullmatch(part.name)
        if match and match["host"] == socket.gethostname() and not _runs(int(match["process"])):
            with suppress(OSError):
                part.unlink()


def remove_parts_of(folder: Path, done: Sequence[Path]) -> None:
    """Removes what writers on any machine left of shards that are done: a lost node does not come back for them."""
    names = {file.name for shard in done for file in (shard, marker_of(shard))}
    for part in folder.glob(".*@*"):
        if _PART.fullmatch(part.name) and part.name[1:].rsplit("@", 1)[0].rsplit(".", 1)[0] in names:
            with suppress(OSError):
                part.unlink()


def _runs(process: int) -> bool:
    """Whether there is such a process; one that has ended and waits to be collected does not run."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
