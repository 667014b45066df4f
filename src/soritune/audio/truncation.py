"""Whether an uncompressed or an Ogg file ends before its own lengths say it does. Next: `audio/waveform.py`.

libsndfile reads such a file as a shorter one, silently.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from soritune.audio.streamed import SampleBytes
from soritune.errors import AudioError

_LONGEST_PAGE = 65307
"""Bytes of the longest page of an Ogg file (RFC 3533)."""


def refuse_truncated(file: Path, missing: int) -> None:
    """Refuses a file of which bytes are missing, as `missing_bytes` counts them.

    Raises:
        AudioError: bytes are missing.
    """
    if missing > 0:
        raise AudioError(
            file, f"is truncated: at least {missing} bytes are missing at its end", "audio-truncated"
        )


def missing_bytes(stream: IO[bytes], size: int, samples: SampleBytes | None, *, is_ogg: bool) -> int:
    """How many bytes a file of `size` bytes is shorter than its header or its last page states; at least 0.

    Args:
        stream: the file.
        size: its number of bytes.
        samples: its lengths, if it is uncompressed (`audio/streamed.py`).
        is_ogg: whether it is an Ogg file.
    """
    if is_ogg:
        return _missing_ogg_bytes(stream, size)
    return 0 if samples is None or samples.is_streamed else max(0, samples.stated - samples.available)


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
