"""Clips as data URIs for `<audio>`, so that a report stays one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import soundfile

from soritune.audio.channels import Float32Array
from soritune.audio.waveform import read_audio
from soritune.errors import AudioError
from soritune.inside_folder import leads_outside

LONGEST_S = 20.0
"""Longer clips are cut in the report."""
_RATE_HZ = 16000


class Players:
    """Makes at most `limit` players, of rows of a predictions file.

    Args:
        root: where the rows' audio paths start; None returns no players.
        limit: a report with hundreds of clips is too large to send.
    """

    def __init__(self, root: Path | str | None, limit: int = 24) -> None:
        self.root = None if root is None else Path(root)
        self.left = limit

    def player(self, row: Mapping[str, Any]) -> str | None:
        """The clip as a data URI; None if it cannot be read or the limit is reached."""
        if self.root is None or self.left <= 0 or leads_outside(str(row["audio"])):
            return None
        start = row.get("start_s")
        length = min(float(row.get("duration_s") or LONGEST_S), LONGEST_S)
        try:
            waveform = read_audio(
                self.root / row["audio"],
                start_s=start,
                duration_s=None if start is None else length,
                channel=row.get("channel"),
                sample_rate_hz=_RATE_HZ,
                at_most_s=LONGEST_S,
                pcm=row.get("groups", {}).get("pcm"),
            )
        except AudioError:
            return None
        self.left -= 1
        return audio_uri(waveform, lossless="MP3" not in soundfile.available_formats())


def audio_uri(samples: Float32Array, *, lossless: bool) -> str:
    """Samples of 16 kHz as a data URI: FLAC, whose times are exact, or MP3, which is smaller."""
    buffer = io.BytesIO()
    kind = "flac" if lossless else "mp3"
    soundfile.write(buffer, samples, _RATE_HZ, format=kind.upper())
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:audio/{'flac' if lossless else 'mpeg'};base64,{encoded}"
