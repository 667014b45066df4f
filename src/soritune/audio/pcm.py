"""Headerless PCM (`.pcm`, `.raw`): samples without a header, which the user describes. Next: `audio/waveform.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import soundfile

from soritune.audio.audio_file import AudioFile
from soritune.errors import AudioError

PCM_SUFFIXES = frozenset({".pcm", ".raw"})
"""Files with these suffixes hold samples alone, unless they begin like a file of another format."""
EXAMPLE = "pcm=s16le:16000"
"""The setting for KsponSpeech: 16-bit little-endian samples at 16 kHz."""
_ENCODINGS = {
    "s8": ("PCM_S8", "LITTLE"),
    "u8": ("PCM_U8", "LITTLE"),
    "s16le": ("PCM_16", "LITTLE"),
    "s16be": ("PCM_16", "BIG"),
    "s24le": ("PCM_24", "LITTLE"),
    "s24be": ("PCM_24", "BIG"),
    "s32le": ("PCM_32", "LITTLE"),
    "s32be": ("PCM_32", "BIG"),
    "f32le": ("FLOAT", "LITTLE"),
    "f32be": ("FLOAT", "BIG"),
    "f64le": ("DOUBLE", "LITTLE"),
    "f64be": ("DOUBLE", "BIG"),
    "mulaw": ("ULAW", "LITTLE"),
    "alaw": ("ALAW", "LITTLE"),
}
"""The names of ffmpeg (`ffmpeg -f s16le`), with the subtype and the byte order of libsndfile."""
_RATES_HZ = (1000, 768000)
_MOST_CHANNELS = 64


class PcmFormat(NamedTuple):
    """What a header would state.

    >>> PcmFormat.parse("s16le:16000")
    PcmFormat(encoding='s16le', sample_rate_hz=16000, num_channels=1)
    """

    encoding: str
    sample_rate_hz: int
    num_channels: int = 1

    @classmethod
    def parse(cls, text: str) -> PcmFormat:
        """Reads ENCODING:RATE or ENCODING:RATE:CHANNELS, with ffmpeg's name of the encoding and the rate in Hz.

        Raises:
            ValueError: the text has another form, or a value that cannot be used.
        """
        match = re.fullmatch(r"([a-z0-9]+):([0-9]+)(?::([0-9]+))?", text.strip())
        if match is None:
            raise ValueError(
                f"must be ENCODING:RATE or ENCODING:RATE:CHANNELS, such as s16le:16000, got '{text}'"
            )
        encoding, rate, channels = match[1], int(match[2]), int(match[3] or 1)
        if encoding not in _ENCODINGS:
            raise ValueError(f"has the unknown encoding '{encoding}'; known: {', '.join(_ENCODINGS)}")
        if not _RATES_HZ[0] <= rate <= _RATES_HZ[1]:
            raise ValueError(f"has the rate {rate}; it is in Hz, from {_RATES_HZ[0]} to {_RATES_HZ[1]}")
        if not 1 <= channels <= _MOST_CHANNELS:
            raise ValueError(f"has {channels} channels; it must be 1 to {_MOST_CHANNELS}")
        return cls(encoding, rate, channels)

    def open(self, file: Path | AudioFile) -> soundfile.SoundFile:
        """The file as samples of this format; bytes after the last whole sample are ignored.

        Raises:
            soundfile.SoundFileError: libsndfile refuses it.
        """
        subtype, endian = _ENCODINGS[self.encoding]
        return soundfile.SoundFile(
            AudioFile.of(file).source,
            samplerate=self.sample_rate_hz,
            channels=self.num_channels,
            format="RAW",
            subtype=subtype,
            endian=endian,
        )


def headerless(file: Path) -> AudioError:
    """The error for a file of samples alone whose format was not stated."""
    return AudioError(
        file,
        f"is headerless PCM: no header states its sample rate and width; state them with the setting {EXAMPLE} "
        "(encoding:rate), or convert it to WAV",
        "audio-headerless",
    )
