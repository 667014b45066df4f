"""Reading and writing audio. Next: `audio/preprocessing.py`.

The content of a file decides how it is read, not its suffix. libsndfile reads WAV, FLAC, MP3, Ogg, Opus and
more; what it cannot (M4A, WebM) goes through PyAV when that extra is installed. Rows are (samples,) float32
in [-1, 1].
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from soritune.audio.resample import resample
from soritune.errors import AudioError, OutputError
from soritune.whole_file import write_bytes

Float32Array = NDArray[np.float32]

MISSING_TAIL_S = 0.1
"""A segment or header may promise this much more than the file holds before the file counts as truncated."""
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Sizes that programs write into a WAV header when they stream and do not know the length."""


class AudioHeader(NamedTuple):
    """What a file says about itself."""

    sample_rate_hz: int
    num_channels: int
    num_frames: int
    duration_s: float


def read_header(path: str | Path) -> AudioHeader:
    """Rate, channels and length of a file, without decoding it.

    Raises:
        AudioError: missing, empty, truncated (where the header shows it), or not audio.
    """
    file = _existing(path)
    try:
        info = soundfile.info(str(file))
    except soundfile.SoundFileError as error:
        return _header_by_av(file, error)
    header = _checked_header(file, info.samplerate, info.channels, info.frames)
    _refuse_cut(file)
    return header


def read_audio(
    path: str | Path,
    *,
    start_s: float | None = None,
    duration_s: float | None = None,
    channel: int | None = None,
    sample_rate_hz: int | None = 16000,
    at_most_s: float | None = None,
) -> Float32Array:
    """Decodes a file, or a stretch of it, to mono at `sample_rate_hz`.

    Args:
        path: The file.
        start_s: Where the stretch begins; None is the beginning of the file.
        duration_s: Its length; None reads to the end.
        channel: Channel to take, from 0; None takes the mean of all.
        sample_rate_hz: Wanted rate; None keeps the file's own.
        at_most_s: Read no more than this; unlike `duration_s` it does not say that so much must be there.

    Returns:
        (samples,) float32, finite, not empty.

    Raises:
        AudioError: the file is missing, empty, truncated, not audio, holds NaN or infinite samples, lacks the
            channel, or ends before the stretch does.
    """
    file = _existing(path)
    try:
        samples, rate = _decode(file, start_s, duration_s, at_most_s)
    except soundfile.SoundFileError as error:
        samples, rate = _decode_by_av(file, start_s, duration_s, error)
        samples = samples if at_most_s is None else samples[: round(at_most_s * rate)]
    waveform = to_mono(samples, file, channel)
    if not np.isfinite(waveform).all():
        count = int((~np.isfinite(waveform)).sum())
        raise AudioError(file, f"holds {count} samples that are NaN or infinite", "audio-not-finite")
    if sample_rate_hz is None or sample_rate_hz == rate:
        return waveform
    return resample(waveform, rate, sample_rate_hz)


def to_mono(samples: NDArray[Any], path: str | Path, channel: int | None = None) -> Float32Array:
    """One channel of (samples,) or (samples, channels), or the mean of all; (samples,) float32.

    Raises:
        AudioError: there is no such channel. `path` is only for the message.
    """
    if samples.ndim == 1:
        samples = samples[:, None]
    if channel is not None:
        if not 0 <= channel < samples.shape[1]:
            raise AudioError(
                path,
                f"has {samples.shape[1]} channels, so channel {channel} (from 0) does not exist",
                "channel-missing",
            )
        return np.ascontiguousarray(samples[:, channel], dtype=np.float32)
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0], dtype=np.float32)
    mean: Float32Array = samples.mean(axis=1, dtype=np.float32)
    return mean


def write_audio(path: str | Path, waveform: Float32Array, sample_rate_hz: int) -> None:
    """Writes (samples,) as 16-bit audio in the format of the suffix (.wav, .flac, .ogg, .mp3); clips at ±1.

    Raises:
        OutputError: the place cannot be written to, or the suffix names no writable format.
    """
    file = Path(path)
    kind = file.suffix.lower().lstrip(".").upper()
    if kind not in soundfile.available_formats():
        raise OutputError(f"{file}: cannot write '{file.suffix}' audio; use .wav or .flac")
    clipped = np.clip(waveform, -1.0, 1.0 - 2.0**-15)
    subtype = "PCM_16" if soundfile.check_format(kind, "PCM_16") else None
    # libsndfile does not tell of a full disk; encoded in memory, the write is Python's own, which does.
    encoded = io.BytesIO()
    try:
        soundfile.write(encoded, clipped, sample_rate_hz, format=kind, subtype=subtype)
    except soundfile.SoundFileError as error:
        raise OutputError(f"{file} cannot be written ({error})") from error
    write_bytes(file, encoded.getbuffer())


def _existing(path: str | Path) -> Path:
    file = Path(path)
    try:
        size = file.stat().st_size
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise AudioError(file, "does not exist", "audio-missing") from error
        raise AudioError(file, str(error), "audio-unreadable") from error
    if not file.is_file():
        raise AudioError(file, "is not a file", "audio-not-a-file")
    if size == 0:
        raise AudioError(file, "is empty (0 bytes)", "audio-empty")
    return file


def _checked_header(file: Path, rate: int, channels: int, frames: int) -> AudioHeader:
    if channels < 1 or rate < 1:
        raise AudioError(file, f"has {channels} channels at {rate} Hz", "audio-header")
    if frames < 1:
        raise AudioError(file, "holds no samples", "audio-empty")
    return AudioHeader(rate, channels, frames, frames / rate)


def _span(
    file: Path, rate: int, frames: int, start_s: float | None, duration_s: float | None
) -> tuple[int, int]:
    """First frame and number of frames of a stretch, held against the length of the file."""
    first = round((start_s or 0.0) * rate)
    if first < 0 or (first >= frames and frames > 0):
        raise AudioError(
            file,
            f"lasts {frames / rate:.3f} s, but the utterance begins at {start_s:.3f} s",
            "stretch-begins-late",
        )
    if duration_s is None:
        return first, frames - first
    wanted = round(duration_s * rate)
    if first + wanted > frames + MISSING_TAIL_S * rate:
        end_s = (first + wanted) / rate
        raise AudioError(
            file,
            f"is truncated: lasts {frames / rate:.3f} s, but the utterance ends at {end_s:.3f} s",
            "stretch-ends-late",
        )
    return first, min(wanted, frames - first)


def _decode(
    file: Path, start_s: float | None, duration_s: float | None, at_most_s: float | None
) -> tuple[NDArray[Any], int]:
    """(samples, channels) float32 by libsndfile."""
    with soundfile.SoundFile(str(file)) as sound:
        rate = int(sound.samplerate)
        _checked_header(file, rate, sound.channels, sound.frames)
        _refuse_cut(file)
        first, wanted = _span(file, rate, sound.frames, start_s, duration_s)
        if at_most_s is not None:
            wanted = min(wanted, round(at_most_s * rate))
        try:
            if first:
                sound.seek(first)
            samples = sound.read(wanted, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(file, f"is truncated or damaged ({error})", "audio-damaged") from error
    if len(samples) + MISSING_TAIL_S * rate < wanted:
        raise AudioError(
            file, f"is truncated: {len(samples)} of {wanted} samples can be decoded", "audio-truncated"
        )
    if len(samples) == 0:
        raise AudioError(file, "holds no samples", "audio-empty")
    return samples, rate


def _refuse_cut(file: Path) -> None:
    """libsndfile shortens a WAV or Ogg file that ends too early without a word; this says it."""
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
    position = 12
    while position + 8 <= size:
        stream.seek(position)
        name, length = struct.unpack("<4sI", stream.read(8))
        if name == b"data":
            return 0 if length in _UNKNOWN_SIZES else max(0, position + 8 + length - size)
        position += 8 + length + length % 2
    return 0


def _missing_ogg_bytes(stream: IO[bytes], size: int) -> int:
    """How much the last page (RFC 3533, at most 65,307 bytes) lacks of the length its segment table gives."""
    stream.seek(max(0, size - 65307))
    tail = stream.read()
    page = tail[tail.rfind(b"OggS") :]
    if not page.startswith(b"OggS"):
        return 0
    if len(page) < 27 or len(page) < 27 + page[26]:
        return 1
    return max(0, 27 + page[26] + sum(page[27 : 27 + page[26]]) - len(page))


def _open_av(file: Path, error: Exception) -> Any:
    try:
        import av
    except ImportError:
        raise AudioError(
            file,
            "is no audio that libsndfile reads; M4A and WebM need the extra: pip install 'soritune[audio]'",
            "audio-format",
        ) from error
    try:
        container = av.open(str(file), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as failure:
        raise AudioError(file, "is not audio, or is damaged", "audio-damaged") from failure
    if not container.streams.audio:
        container.close()
        raise AudioError(file, "holds no audio stream", "audio-format") from error
    return container


def _header_by_av(file: Path, error: Exception) -> AudioHeader:
    container = _open_av(file, error)
    with container:
        stream = container.streams.audio[0]
        rate, channels = int(stream.rate or 0), int(stream.codec_context.channels)
        known = stream.duration is not None and stream.time_base is not None
        seconds = float(stream.duration * stream.time_base) if known else (container.duration or 0) / 1e6
    return _checked_header(file, rate, channels, round(seconds * rate))


def _decode_by_av(
    file: Path, start_s: float | None, duration_s: float | None, error: Exception
) -> tuple[NDArray[Any], int]:
    """(samples, channels) float32 by PyAV; the whole stream is decoded, since its seeking is inexact."""
    container = _open_av(file, error)
    import av

    parts: list[NDArray[Any]] = []
    with container:
        stream = container.streams.audio[0]
        rate = int(stream.rate or 0)
        to_planar = av.AudioResampler(format="fltp")
        try:
            for frame in container.decode(stream):
                parts.extend(plane.to_ndarray() for plane in to_planar.resample(frame))
            parts.extend(plane.to_ndarray() for plane in to_planar.resample(None))
        except (av.error.FFmpegError, OSError, ValueError) as failure:
            raise AudioError(file, f"is truncated or damaged ({failure})", "audio-damaged") from failure
    if not parts:
        raise AudioError(file, "holds no samples", "audio-empty")
    samples = np.concatenate(parts, axis=1).T.astype(np.float32, copy=False)
    first, wanted = _span(file, rate, len(samples), start_s, duration_s)
    return samples[first : first + wanted], rate
