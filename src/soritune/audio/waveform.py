"""Reading and writing audio files. Next: `audio/preprocessing.py`.

The content of a file decides how it is read, not its suffix. libsndfile reads WAV, FLAC, MP3, Ogg, Opus and
more. Other formats (M4A, WebM) are read by PyAV (`audio/pyav.py`) where that extra is installed. A waveform
is (samples,) float32 in [-1, 1].
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from soritune.audio.pyav import decode_all, read_stream_info
from soritune.audio.resample import resample
from soritune.audio.truncation import refuse_truncated
from soritune.errors import AudioError, MissingAudioError, OutputError
from soritune.whole_file import write_bytes

Float32Array = NDArray[np.float32]

MISSING_TAIL_S = 0.1
"""How much longer a segment or a header may be than the samples before the file counts as truncated."""


class AudioHeader(NamedTuple):
    """What the header of a file states."""

    sample_rate_hz: int
    num_channels: int
    num_frames: int
    duration_s: float


def read_header(path: str | Path) -> AudioHeader:
    """Rate, channels and length of a file, without decoding it.

    Raises:
        AudioError: the file is missing (`MissingAudioError`), empty, truncated (where the header shows it),
            or not audio.
    """
    file = _existing(path)
    try:
        info = soundfile.info(str(file))
    except soundfile.SoundFileError as error:
        stream = read_stream_info(file, error)
        frames = round(stream.duration_s * stream.sample_rate_hz)
        return _checked_header(file, stream.sample_rate_hz, stream.num_channels, frames)
    header = _checked_header(file, info.samplerate, info.channels, info.frames)
    refuse_truncated(file)
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
    """Decodes a file, or a part of it, to mono at `sample_rate_hz`.

    Args:
        path: the file.
        start_s: where the part begins; None is the beginning of the file.
        duration_s: its length; None reads to the end of the file.
        channel: channel to take, from 0; None takes the mean of all.
        sample_rate_hz: rate of the result; None keeps that of the file.
        at_most_s: longest part to read. Unlike with `duration_s`, the file may be shorter.

    Returns:
        (samples,) float32, finite, not empty.

    Raises:
        AudioError: the file is missing (`MissingAudioError`), empty, truncated or not audio, contains NaN or
            infinite samples, lacks the channel, or ends before the part does.
    """
    file = _existing(path)
    try:
        samples, rate = _decode(file, start_s, duration_s, at_most_s)
    except soundfile.SoundFileError as error:
        samples, rate = decode_all(file, error)
        first, count = _span(file, rate, len(samples), start_s, duration_s)
        samples = samples[first : first + count]
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
        AudioError: the channel does not exist. `path` is only for the message.
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
        OutputError: the file cannot be written, or the suffix is not that of a writable format.
    """
    file = Path(path)
    kind = file.suffix.lower().lstrip(".").upper()
    if kind not in soundfile.available_formats():
        raise OutputError(f"{file}: cannot write '{file.suffix}' audio; use .wav or .flac")
    clipped = np.clip(waveform, -1.0, 1.0 - 2.0**-15)
    subtype = "PCM_16" if soundfile.check_format(kind, "PCM_16") else None
    # libsndfile does not report a full disk. Encoded in memory, the file is written by Python, which does.
    encoded = io.BytesIO()
    try:
        soundfile.write(encoded, clipped, sample_rate_hz, format=kind, subtype=subtype)
    except soundfile.SoundFileError as error:
        raise OutputError(f"{file} cannot be written ({error})") from error
    write_bytes(file, encoded.getbuffer())


def _existing(path: str | Path) -> Path:
    """The path of a file that exists and is not empty."""
    file = Path(path)
    encoding = sys.getfilesystemencoding()
    try:
        str(file).encode(encoding)  # libsndfile and PyAV are given names as text
    except UnicodeEncodeError as error:
        reason = f"has a name that the encoding of file names here, {encoding}, cannot hold; rename it"
        raise AudioError(file, reason, "audio-name") from error
    try:
        size = file.stat().st_size
    except FileNotFoundError as error:
        raise MissingAudioError(file) from error
    except OSError as error:
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
        raise AudioError(file, "holds no samples", "audio-without-samples")
    return AudioHeader(rate, channels, frames, frames / rate)


def _span(
    file: Path, rate: int, frames: int, start_s: float | None, duration_s: float | None
) -> tuple[int, int]:
    """First frame and number of frames of a part, checked against the length of the file."""
    first = round((start_s or 0.0) * rate)
    if first < 0 or (first >= frames and frames > 0):
        raise AudioError(
            file,
            f"lasts {frames / rate:.3f} s, but the utterance begins at {start_s:.3f} s",
            "stretch-begins-late",
        )
    if duration_s is None:
        return first, frames - first
    count = round(duration_s * rate)
    if first + count > frames + MISSING_TAIL_S * rate:
        end_s = (first + count) / rate
        raise AudioError(
            file,
            f"is truncated: lasts {frames / rate:.3f} s, but the utterance ends at {end_s:.3f} s",
            "stretch-ends-late",
        )
    return first, min(count, frames - first)


def _decode(
    file: Path, start_s: float | None, duration_s: float | None, at_most_s: float | None
) -> tuple[NDArray[Any], int]:
    """A part of a file by libsndfile: (samples, channels) float32, and its rate."""
    with soundfile.SoundFile(str(file)) as sound:
        rate = int(sound.samplerate)
        _checked_header(file, rate, sound.channels, sound.frames)
        refuse_truncated(file)
        first, count = _span(file, rate, sound.frames, start_s, duration_s)
        if at_most_s is not None:
            count = min(count, round(at_most_s * rate))
        try:
            if first:
                sound.seek(first)
            samples = sound.read(count, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(file, f"is truncated or damaged ({error})", "audio-damaged") from error
    if len(samples) + MISSING_TAIL_S * rate < count:
        raise AudioError(
            file, f"is truncated: {len(samples)} of {count} samples can be decoded", "audio-truncated"
        )
    if len(samples) == 0:
        raise AudioError(file, "holds no samples", "audio-without-samples")
    return samples, rate
