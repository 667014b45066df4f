"""Whether an uncompressed or an Ogg file ends before its own lengths say it does. Next: `audio/waveform.py`.

libsndfile reads such a file as a shorter one, silently.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from soritune.audio.streamed import sample_bytes
from soritune.errors import AudioError

_LONGEST_PAGE = 65307
"""Bytes of the longest page of an Ogg file (RFC 3533)."""


def refuse_truncated(file: Path) -> None:
    """Checks an uncompressed (`audio/streamed.py`) or an Ogg file; a file of another format passes.

    Raises:
        AudioError: the file is shorter than its header or its last page states.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        is_ogg = stream.read(4) == b"OggS"
        missing = _missing_ogg_bytes(stream, size) if is_ogg else _missing_sample_bytes(file)
    if missing > 0:
        raise AudioError(
            file, f"is truncated: at least {missing} bytes are missing at its end", "audio-truncated"
        )


def _missing_sample_bytes(file: Path) -> int:
    """How many bytes the samples of a file lack of the length in its header."""
    samples = sample_bytes(file)
    return 0 if samples is None or samples.is_streamed else samples.stated - samples.available


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
