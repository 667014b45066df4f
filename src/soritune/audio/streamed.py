"""The lengths in the headers of uncompressed files, and those written before the length was known.

Next: `audio/waveform.py`.

A program that streams writes 0, a placeholder near 2 or 4 GiB, or the size of its first buffer, and cannot go back.
The samples last to the end of such a file. libsndfile believes the small lengths, so it gets the file with the true
ones.
"""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from soritune.audio.audio_file import AudioFile

_PLACEHOLDERS = (range(0x7FFF0000, 0x80000200), range(0xFFFF0000, 0x100000000))
"""Lengths that programs write because the field cannot hold the true one or they do not know it."""
_LONGEST_64_BITS = 1 << 62
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"<?xml", b"<x:xmpmeta")
"""What programs append without a chunk."""


@dataclass(frozen=True, slots=True)
class SampleBytes:
    """Where the samples of a file are."""

    start: int
    """First byte of the samples."""
    stated: int
    """Their number of bytes by the header."""
    available: int
    """Bytes from there to the end of the file."""
    is_streamed: bool
    """The header was written before the length was known."""
    patches: dict[int, bytes]
    """Position → bytes that state the length up to the end of the file."""


def sample_bytes(stream: IO[bytes], head: bytes, size: int) -> SampleBytes | None:
    """Lengths by the header and by the size of a WAV, RF64, W64, AIFF, CAF, AU or NIST SPHERE file; None for other
    files, without samples, and where the header states that they last to the end.

    Args:
        stream: the file.
        head: its first bytes, at least 40 if it has as many.
        size: its number of bytes.
    """
    if head[:4] in (b".snd", b"dns."):
        return _au_bytes(stream, head, size)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return _wav_bytes(stream, head, size)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff_bytes(stream, size)
    if head[:4] == b"caff":
        return _caf_bytes(stream, size)
    if head.startswith(b"riff") and head[24:28] == b"wave":
        return _w64_bytes(stream, size)
    if head.startswith(b"NIST_1A\n"):
        return _nist_bytes(stream, size)
    return None


def with_true_length(file: Path | AudioFile, samples: SampleBytes) -> io.BufferedReader:
    """The file as it reads with the length up to its end."""
    return io.BufferedReader(_Patched(AudioFile.of(file), samples.patches))


def _wav_bytes(stream: IO[bytes], head: bytes, size: int) -> SampleBytes | None:
    order = ">" if head[:4] == b"RIFX" else "<"
    riff = struct.unpack(f"{order}I", head[4:8])[0]
    position = 12
    long_bytes: int | None = None
    while position + 8 <= size:
        stream.seek(position)
        name, length = struct.unpack(f"{order}4sI", stream.read(8))
        if name == b"ds64" and position + 24 <= size:
            riff, long_bytes = struct.unpack("<QQ", stream.read(16))
        if name == b"data":
            start = position + 8
            stated = length if long_bytes is None or length != 0xFFFFFFFF else long_bytes
            available = size - start
            patches = {}
            if long_bytes is not None:
                patches = {20: struct.pack("<QQ", size - 8, available)}
            elif available < 1 << 32:
                patches = {
                    4: struct.pack(f"{order}I", min(size - 8, 0xFFFFFFFF)),
                    position + 4: struct.pack(f"{order}I", available),
                }
            is_placeholder = any(stated in span for span in _PLACEHOLDERS) or stated > _LONGEST_64_BITS
            if stated >= available:
                is_streamed = stated > available and is_placeholder
            else:
                agrees = stated > 0 and start + stated <= 8 + riff <= size + 1
                is_streamed = not _only_chunks(stream, start + stated, size, order) and (
                    not agrees or _samples_follow(stream, start + stated, size, stated)
                )
            return SampleBytes(start, stated, available, is_streamed and bool(patches), patches)
        position += 8 + length + length % 2
    return None


def _only_chunks(stream: IO[bytes], position: int, size: int, order: str) -> bool:
    """Whether the rest of a file is chunks up to its end, so that the samples before it are all."""
    position += position % 2
    while position + 8 <= size:
        stream.seek(position)
        name, length = struct.unpack(f"{order}4sI", stream.read(8))
        if not all(32 <= byte < 127 for byte in name):
            return False
        position += 8 + length + length % 2
    return size <= position <= size + 1


def _samples_follow(stream: IO[bytes], position: int, size: int, stated: int) -> bool:
    """Whether more samples than the header states lie behind them, as if it has the size of the first buffer only."""
    stream.seek(position)
    head = stream.read(4096)
    is_filler = not any(head) or head.startswith(_TAGS)
    return size - position > stated and not is_filler


def _au_bytes(stream: IO[bytes], head: bytes, size: int) -> SampleBytes | None:
    start, stated = struct.unpack(">II" if head[:1] == b"." else "<II", head[4:12])
    if not 24 <= start <= size:
        return None
    available = size - start
    is_placeholder = stated == 0 or any(stated in span for span in _PLACEHOLDERS)
    is_streamed = available > 0 and (
        (is_placeholder and stated != available)
        or (stated < available and _samples_follow(stream, start + stated, size, stated))
    )
    return SampleBytes(start, stated, available, is_streamed, {8: b"\xff\xff\xff\xff"})


def _aiff_bytes(stream: IO[bytes], size: int) -> SampleBytes | None:
    position = 12
    while position + 16 <= size:
        stream.seek(position)
        name, length, offset = struct.unpack(">4sII", stream.read(12))
        if name == b"SSND":
            # Eight bytes of the chunk are its offset and block size.
            start, stated = position + 16 + offset, max(length - 8 - offset, 0)
            available = max(size - start, 0)
            is_placeholder = any(length in span for span in _PLACEHOLDERS) and stated > available
            is_streamed = is_placeholder or (
                stated == 0 < available and not _only_chunks(stream, start, size, ">")
            )
            patches = {position + 4: struct.pack(">I", min(available + 8 + offset, 0xFFFFFFFF))}
            return SampleBytes(start, stated, available, is_streamed, patches)
        position += 8 + length + length % 2
    return None


def _caf_bytes(stream: IO[bytes], size: int) -> SampleBytes | None:
    position = 8
    while position + 16 <= size:
        stream.seek(position)
        name, length = struct.unpack(">4sq", stream.read(12))
        if length < 1:  # -1 is up to the end
            return None
        if name == b"data":
            return SampleBytes(position + 16, length - 4, size - position - 16, False, {})
        position += 12 + length
    return None


def _w64_bytes(stream: IO[bytes], size: int) -> SampleBytes | None:
    position = 40
    while position + 24 <= size:
        stream.seek(position)
        name, length = struct.unpack("<4s12xq", stream.read(24))
        if length <= 24:
            return None
        if name == b"data":
            is_placeholder = length > _LONGEST_64_BITS
            return (
                None
                if is_placeholder
                else SampleBytes(position + 24, length - 24, size - position - 24, False, {})
            )
        position += -(-length // 8) * 8
    return None


def _nist_bytes(stream: IO[bytes], size: int) -> SampleBytes | None:
    """A text of lines `name -type value`, as long as its second line states."""
    stream.seek(0)
    text = stream.read(4096).split(b"end_head")[0].decode("latin-1")
    fields = {words[0]: words[2] for line in text.splitlines() if len(words := line.split(None, 2)) == 3}
    try:
        start = int(text.split()[1])
        factors = [int(fields[name]) for name in ("sample_count", "sample_n_bytes", "channel_count")]
    except (KeyError, ValueError, IndexError):
        return None
    coding = fields.get("sample_coding", "pcm").lower()
    if coding not in ("pcm", "ulaw", "mu-law", "alaw"):  # compressed
        return None
    return SampleBytes(start, math.prod(factors), max(size - start, 0), False, {})


class _Patched(io.RawIOBase):
    """A file for reading, some of whose bytes are replaced."""

    def __init__(self, file: AudioFile, patches: dict[int, bytes]) -> None:
        self._stream = file.open(buffering=0)
        self._patches = patches

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._stream.tell()
        view = memoryview(buffer).cast("B")
        count: int = self._stream.readinto(view) or 0  # type: ignore[attr-defined]  # a raw file or BytesIO
        for position, content in self._patches.items():
            first, last = max(position, start), min(position + len(content), start + count)
            if first < last:
                view[first - start : last - start] = content[first - position : last - position]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
