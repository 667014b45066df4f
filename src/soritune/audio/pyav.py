"""Decoding by PyAV (extra `audio`), for formats that libsndfile does not read: M4A, WebM, streamed FLAC.

Next: `audio/waveform.py`.

Each function takes the error with which libsndfile refused the file, as the cause of its own `AudioError`.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.audio.audio_file import AudioFile
from soritune.errors import AudioError

_MISSING_TAIL_S = 0.5
"""How much of its stated length a container may lack. Discontinuous Opus sends a packet at least every 0.4 s."""
MOST_VALUES: ContextVar[int | None] = ContextVar("MOST_VALUES", default=None)
"""Most samples × channels that are decoded; a file with more raises an error of kind `TOO_LONG`. None has no limit. A
server sets it, because a container may state no length and a small file may hold hours of silence."""
TOO_LONG = "audio-too-long"


class StreamInfo(NamedTuple):
    """The first audio stream of a file."""

    sample_rate_hz: int
    num_channels: int
    duration_s: float
    codec: str
    """As FFmpeg names it, such as aac."""


def read_stream_info(file: Path | AudioFile, error: Exception) -> StreamInfo:
    """Rate, channels and length of a file, without decoding it.

    Raises:
        AudioError: PyAV is not installed, or the file is not audio.
    """
    container = _open(file, error)
    with container:
        stream = container.streams.audio[0]
        rate, channels = int(stream.rate or 0), int(stream.codec_context.channels)
        codec = str(stream.codec_context.name)
        known = stream.duration is not None and stream.time_base is not None
        seconds = float(stream.duration * stream.time_base) if known else (container.duration or 0) / 1e6
    return StreamInfo(rate, channels, seconds, codec)


def decode_all(sound_file: Path | AudioFile, error: Exception) -> tuple[NDArray[np.float32], int]:
    """The whole stream, since PyAV seeks inexactly: (samples, channels) float32, and its rate.

    Raises:
        AudioError: PyAV is not installed, or the file is not audio, is damaged, truncated or empty, or has more than
            `MOST_VALUES`.
    """
    container = _open(sound_file, error)
    import av

    file = AudioFile.of(sound_file).path
    parts: list[NDArray[Any]] = []
    with container:
        stream = container.streams.audio[0]
        rate = int(stream.rate or 0)
        most, count = MOST_VALUES.get(), 0
        stated_s, end_s = _stated_s(container), 0.0
        to_planar = av.AudioResampler(format="fltp")
        try:
            for frame in container.decode(stream):
                end_s = (frame.time or 0.0) + frame.samples / rate
                count += frame.samples * len(frame.layout.channels)
                if most is not None and count > most:
                    raise AudioError(file, f"has more than {most} samples × channels", TOO_LONG)
                parts.extend(plane.to_ndarray() for plane in to_planar.resample(frame))
            parts.extend(plane.to_ndarray() for plane in to_planar.resample(None))
        except (av.error.FFmpegError, OSError, ValueError) as failure:
            raise AudioError(file, f"is truncated or damaged ({failure})", "audio-damaged") from failure
    if not parts:
        raise AudioError(file, "holds no samples", "audio-without-samples")
    samples = np.concatenate(parts, axis=1).T.astype(np.float32, copy=False)
    if end_s < stated_s - _MISSING_TAIL_S:
        reason = f"is truncated: {end_s:.3f} of {stated_s:.3f} s can be decoded"
        raise AudioError(file, reason, "audio-truncated")
    return samples, rate


def _stated_s(container: Any) -> float:
    """Length by the header of WebM or Matroska with one stream; 0 if that states no length, and for other containers,
    which cannot be opened without their end or whose length FFmpeg estimates."""
    is_known = "matroska" in container.format.name and len(container.streams) == 1
    return (container.duration or 0) / 1e6 if is_known else 0.0


def _open(sound_file: Path | AudioFile, error: Exception) -> Any:
    """An open container with at least one audio stream."""
    sound_file = AudioFile.of(sound_file)
    file = sound_file.path
    try:
        import av
    except ImportError:
        raise AudioError(
            file,
            "is not audio that libsndfile reads; M4A, WebM and streamed FLAC need the extra: "
            "pip install 'soritune[audio]'",
            "audio-format",
        ) from error
    try:
        container = av.open(sound_file.source, metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as failure:
        raise AudioError(file, "is not audio, or is damaged", "audio-damaged") from failure
    if not container.streams.audio:
        container.close()
        raise AudioError(file, "holds no audio stream", "audio-format") from error
    return container
