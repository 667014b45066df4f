"""Whether a WAV or Ogg file ends before its own lengths say it does. Next: `audio/waveform.py`.

libsndfile reads such a file as a shorter one, silently.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from soritune.errors import AudioError

_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Sizes that programs write into a WAV header when they stream and do not know the length."""
_LONGEST_PAGE = 65307
"""Bytes of the longest page of an Ogg file (RFC 3533)."""


def refuse_truncated(file: Path) -> None:
    """Checks a WAV or Ogg file; a file of another format passes.

    Raises:
        AudioError: the file is shorter than its header or its last page states.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(12)
        if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            missing = _missing_wav_bytes(stream, size)
        elif head[:4] == b"OggS":
            missing = _missing_ogg_bytes(stream, size)
        else:
            return
    if missing > 0:
        raise AudioError(
            file, f"is truncated: at least {missing} bytes are missing at its end", "audio-truncated"
        )


def _missing_wav_bytes(stream: IO[bytes], size: int) -> int:
    """How many bytes the data chunk lacks of the length in its header."""
    position = 12
    while position + 8 <= size:
        stream.seek(position)
        name, length = struct.unpack("<4sI", stream.read(8))
        if name == b"data":
            return 0 if length in _UNKNOWN_SIZES else max(0, position + 8 + length - size)
        position += 8 + length + length % 2
    return 0


def _missing_ogg_bytes(stream: IO[bytes], size: int) -> int:
    """How many bytes the last page (RFC 3533) lacks of the length that its segment table gives."""
    stream.seek(max(0, size - _LONGEST_PAGE))
    tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]
    if not page.startswith(b"OggS"):
        return 0
    if len(page) < 27 or len(page) < 27 + page[26]:
        return 1
    return max(0, 27 + page[26] + sum(page[27 : 27 + page[26]]) - len(page))
