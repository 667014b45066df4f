"""Reading and writing audio files. Next: `audio/preprocessing.py`.

The content of a file decides how it is read, not its suffix (`audio/container.py`). libsndfile reads WAV, FLAC, MP3,
Ogg, Opus and more. Other formats (M4A, WebM) are read by PyAV (`audio/pyav.py`) where that extra is installed.
Headerless PCM is read as its given format (`audio/pcm.py`). A waveform is (samples,) float32 in [-1, 1].
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from soritune.audio.audio_file import AudioFile
from soritune.audio.audio_store import STORE
from soritune.audio.channels import Float32Array, to_mono
from soritune.audio.codec import lossy_codec
from soritune.audio.container import Content, FileStart, inspect
from soritune.audio.decoder_messages import attributed_to
from soritune.audio.files import as_on_disk
from soritune.audio.pcm import PcmFormat, headerless
from soritune.audio.pyav import decode_all, read_stream_info
from soritune.audio.resample import resample
from soritune.audio.streamed import with_true_length
from soritune.audio.truncation import refuse_truncated
from soritune.errors import AudioError, MissingAudioError, OutputError
from soritune.whole_file import write_bytes

MISSING_TAIL_S = 0.1
"""How much longer a segment or a header may be than the samples before the file counts as truncated."""


_UNKNOWN_FRAMES = 1 << 40
"""libsndfile gives the largest number for a FLAC file whose header does not state its length."""


class AudioHeader(NamedTuple):
    """What the header of a file states."""

    sample_rate_hz: int
    num_channels: int
    num_frames: int
    duration_s: float
    is_headerless: bool = False
    """The file has no header; these are the values of the given format and the size of the file."""
    lossy_codec: str | None = None
    """The codec, if it is known to change the sound (`audio/codec.py`); None for samples and lossless codecs."""


class Decoded(NamedTuple):
    """A file, or a part of it, with all its channels."""

    samples: Float32Array
    """(samples, channels)."""
    sample_rate_hz: int


def read_header(path: str | Path, *, pcm: str | None = None) -> AudioHeader:
    """Rate, channels and length of a file. It is decoded only if its header does not state its length.

    Args:
        path: the file.
        pcm: format of headerless PCM (`PcmFormat.parse`); is ignored for a file with a header.

    Raises:
        AudioError: the file is missing (`MissingAudioError`), empty, truncated (where the header shows it), headerless
            without `pcm`, or not audio.
    """
    sound_file = _existing(path)
    file = sound_file.path
    start = inspect(sound_file, has_format=pcm is not None)
    try:
        with _opened(sound_file, start, pcm) as sound:
            header = _checked_header(file, sound.samplerate, sound.channels, sound.frames)
            header = header._replace(lossy_codec=lossy_codec(sound.subtype))
    except soundfile.SoundFileError as error:
        refuse_truncated(file, start.missing_bytes)
        stream = read_stream_info(sound_file, error)
        frames = round(stream.duration_s * stream.sample_rate_hz)
        if frames < 1:  # the length is not stated, as in recordings of a browser
            frames = len(decode_all(sound_file, error)[0])
        header = _checked_header(file, stream.sample_rate_hz, stream.num_channels, frames)
        return header._replace(lossy_codec=lossy_codec(stream.codec))
    refuse_truncated(file, start.missing_bytes)
    return header._replace(is_headerless=start.content is Content.HEADERLESS)


def read_audio(
    path: str | Path,
    *,
    start_s: float | None = None,
    duration_s: float | None = None,
    channel: int | None = None,
    sample_rate_hz: int | None = 16000,
    at_most_s: float | None = None,
    pcm: str | None = None,
) -> Float32Array:
    """Decodes a file, or a part of it, to mono at `sample_rate_hz`.

    Args:
        path: the file.
        start_s: where the part begins; None is the beginning of the file.
        duration_s: its length; None reads to the end of the file.
        channel: channel to take, from 0; None takes the mean of all.
        sample_rate_hz: rate of the result; None keeps that of the file.
        at_most_s: longest part to read. Unlike with `duration_s`, the file may be shorter.
        pcm: format of headerless PCM, as for `read_header`.

    Returns:
        (samples,) float32, finite, not empty.

    Raises:
        AudioError: as `decode`, or the file lacks the channel, or what is taken has NaN or infinite samples, or its
            channels cancel each other in their mean.
    """
    decoded = decode(path, start_s=start_s, duration_s=duration_s, at_most_s=at_most_s, pcm=pcm)
    waveform = to_mono(decoded.samples, path, channel)
    if sample_rate_hz is None:
        return waveform
    return resample(waveform, decoded.sample_rate_hz, sample_rate_hz)


def decode(
    path: str | Path,
    *,
    start_s: float | None = None,
    duration_s: float | None = None,
    at_most_s: float | None = None,
    pcm: str | None = None,
) -> Decoded:
    """Decodes a file, or a part of it, with all its channels at its own rate; arguments as for `read_audio`.

    Raises:
        AudioError: the file is missing (`MissingAudioError`), empty, truncated, headerless without `pcm` or not audio,
            or ends before the part does.
    """
    sound_file = _existing(path)
    file = sound_file.path
    start = inspect(sound_file, has_format=pcm is not None)
    try:
        samples, rate = _decode(sound_file, start, pcm, start_s, duration_s, at_most_s)
    except soundfile.SoundFileError as error:
        refuse_truncated(file, start.missing_bytes)
        samples, rate = decode_all(sound_file, error)
        samples = _part(samples, file, rate, start_s, duration_s, at_most_s)
    return Decoded(samples, rate)


def decode_blocks(
    path: str | Path,
    *,
    start_s: float | None = None,
    duration_s: float | None = None,
    pcm: str | None = None,
    block_s: float = 60.0,
) -> Iterator[Decoded]:
    """As `decode`, in blocks of `block_s` seconds, so that a file of hours takes the memory of a block.

    What only PyAV reads (M4A, WebM) is one block.

    Raises:
        AudioError: as `decode`; of a truncated file only after its last block.
    """
    sound_file = _existing(path)
    file = sound_file.path
    start = inspect(sound_file, has_format=pcm is not None)
    try:
        yield from _blocks(sound_file, start, pcm, start_s, duration_s, block_s)
    except soundfile.SoundFileError as error:  # raised before the first block
        refuse_truncated(file, start.missing_bytes)
        samples, rate = decode_all(sound_file, error)
        yield Decoded(_part(samples, file, rate, start_s, duration_s, None), rate)


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


def _existing(path: str | Path) -> AudioFile:
    """A file that exists and is not empty: on disk, as it is spelt there, or in a container (`AudioStore`)."""
    if not isinstance(path, str | os.PathLike):
        reason = (
            f"must be a path, not a {type(path).__name__}; `Preprocessing.apply` takes samples and their rate"
        )
        raise AudioError("audio", reason, "audio-name")
    if "\0" in str(path):
        raise AudioError(path, "has a name with the character NUL, which no file can have", "audio-name")
    encoding = sys.getfilesystemencoding()
    try:
        str(path).encode(encoding)  # libsndfile and PyAV are given names as text
    except UnicodeEncodeError as error:
        reason = f"has a name that the encoding of file names here, {encoding}, cannot hold; rename it"
        raise AudioError(Path(path), reason, "audio-name") from error
    file = Path(path)
    try:
        try:
            status = file.stat()
        except (FileNotFoundError, NotADirectoryError):
            contained = STORE.find(file)
            if contained is not None:
                return contained
            file = as_on_disk(file)
            status = file.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingAudioError(file) from error
    except OSError as error:
        raise AudioError(file, str(error), "audio-unreadable") from error
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(file, "is not a file", "audio-not-a-file")
    if status.st_size == 0:
        raise AudioError(file, "is empty (0 bytes)", "audio-empty")
    return AudioFile(file)


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


def _part(
    samples: NDArray[Any],
    file: Path,
    rate: int,
    start_s: float | None,
    duration_s: float | None,
    at_most_s: float | None,
) -> NDArray[Any]:
    """A part of a whole file (samples, channels)."""
    first, count = _span(file, rate, len(samples), start_s, duration_s)
    samples = samples[first : first + count]
    return samples if at_most_s is None else samples[: round(at_most_s * rate)]


@contextmanager
def _opened(sound_file: AudioFile, start: FileStart, pcm: str | None) -> Iterator[soundfile.SoundFile]:
    """The file by libsndfile: as its given format, or with the length up to its end if it was streamed.

    Raises:
        AudioError: it is headerless and has no given format, or the given one cannot be read.
        soundfile.SoundFileError: libsndfile does not read it to its end.
    """
    file = sound_file.path
    if start.content is Content.HEADERLESS:
        if pcm is None:
            raise headerless(file)
        try:
            described = PcmFormat.parse(pcm)
        except ValueError as error:
            raise AudioError(file, f"cannot be read: pcm {error}", "audio-headerless") from error
        with described.open(sound_file) as sound:
            yield sound
    elif start.content is Content.MPEG:
        with attributed_to(file), soundfile.SoundFile(sound_file.source) as sound:
            yield sound
    else:
        if start.samples is not None and start.samples.is_streamed:
            with with_true_length(sound_file, start.samples) as stream, soundfile.SoundFile(stream) as sound:
                yield sound
        else:
            with soundfile.SoundFile(sound_file.source) as sound:
                if sound.frames > _UNKNOWN_FRAMES:
                    raise soundfile.SoundFileError("the header does not state the length")
                yield sound


def _decode(
    sound_file: AudioFile,
    start: FileStart,
    pcm: str | None,
    start_s: float | None,
    duration_s: float | None,
    at_most_s: float | None,
) -> tuple[NDArray[Any], int]:
    """A part of a file by libsndfile: (samples, channels) float32, and its rate."""
    file = sound_file.path
    with _opened(sound_file, start, pcm) as sound:
        rate = int(sound.samplerate)
        try:
            _checked_header(file, rate, sound.channels, sound.frames)
            refuse_truncated(file, start.missing_bytes)
            first, count = _span(file, rate, sound.frames, start_s, duration_s)
            if at_most_s is not None:
                count = min(count, round(at_most_s * rate))
            if first:
                sound.seek(first)
            samples = sound.read(count, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError(file, f"is truncated or damaged ({error})", "audio-damaged") from error
    _refuse_missing_tail(file, rate, len(samples), count)
    return samples, rate


def _blocks(
    sound_file: AudioFile,
    start: FileStart,
    pcm: str | None,
    start_s: float | None,
    duration_s: float | None,
    block_s: float,
) -> Iterator[Decoded]:
    """A part of a file by libsndfile, block by block."""
    file = sound_file.path
    with _opened(sound_file, start, pcm) as sound:
        rate = int(sound.samplerate)
        total = 0
        try:
            _checked_header(file, rate, sound.channels, sound.frames)
            refuse_truncated(file, start.missing_bytes)
            first, count = _span(file, rate, sound.frames, start_s, duration_s)
            if first:
                sound.seek(first)
            while total < count:
                size = min(max(round(block_s * rate), 1), count - total)
                samples = sound.read(size, dtype="float32", always_2d=True)
                if len(samples) == 0:
                    break
                total += len(samples)
                yield Decoded(samples, rate)
        except soundfile.SoundFileError as error:
            raise AudioError(file, f"is truncated or damaged ({error})", "audio-damaged") from error
    _refuse_missing_tail(file, rate, total, count)


def _refuse_missing_tail(file: Path, rate: int, decoded: int, expected: int) -> None:
    """Refuses a part of which fewer samples could be decoded than the header states, or none."""
    if decoded + MISSING_TAIL_S * rate < expected:
        raise AudioError(
            file, f"is truncated: {decoded} of {expected} samples can be decoded", "audio-truncated"
        )
    if decoded == 0:
        raise AudioError(file, "holds no samples", "audio-without-samples")
