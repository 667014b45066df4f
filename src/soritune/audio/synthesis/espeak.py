"""Speech by espeak-ng from its own phonemes, in voices given as descriptions. Next: `audio/synthesis/voices.py`.

espeak-ng is GPL-3.0 and comes with the extra `speech` (package `espeakng-loader`). Only this file loads it,
on first use. The library keeps global state, such as oscillator phases, that a new start does not clear. It
is therefore opened and closed for every utterance, which takes about 3 ms: the same call returns the same
samples, whatever was spoken before. It speaks one utterance at a time; parallel synthesis uses processes.

The input is phonemes in `[[…]]`, because espeak-ng's reading of Hangul departs from the standard
pronunciation: it does not nasalise (갑니다 as [갑니다]), pronounces ㄹㄹ as one ㄹ, and has one sound for ㄱ
and ㄲ inside a word. docs/synthetic-speech.md describes its reading of Hangul and how often its phonemes
agree with a label. The phonemes of each phone are in `audio/synthesis/phonemes.py`.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.errors import SorituneError, reason_of

FEMALE_VARIANTS = (
    "f1", "f2", "f3", "f4", "f5", "Alicia", "Andrea", "Annie", "anika", "aunty", "belinda", "linda", "steph",
    "steph2", "shelby",
)  # fmt: skip
MALE_VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Alex", "Andy", "Mario", "Michael", "Mike", "adam",
    "benjamin", "boris", "david", "edward", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "pedro",
    "robert", "sandro", "travis", "victor",
)  # fmt: skip
"""Variants that sound like a person; espeak-ng's robots, whispers and croaks are left out."""

_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8, _PHONEMES = 2, 1, 1, 0x100
_PHONEME_EVENT = 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h; the last field is the member of its union that names a phoneme."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


class Sound(NamedTuple):
    """A phoneme that espeak-ng reports as spoken."""

    name: str
    """The mnemonic of espeak-ng; empty for a pause."""
    start_s: float


class Spoken(NamedTuple):
    """An utterance spoken by espeak-ng."""

    samples: NDArray[np.float32]
    """(samples,) in [-1, 1]."""
    sample_rate_hz: int
    sounds: tuple[Sound, ...]


_lock = threading.Lock()
_close: Callable[[int], Any] = getattr(_ctypes, "FreeLibrary" if os.name == "nt" else "dlclose")


class Synthesizer:
    """Speaks espeak-ng's own phonemes, or spelling, in a voice given as a description.

    Raises:
        SorituneError: espeak-ng is not installed.
    """

    def __init__(self) -> None:
        self._library_path, self._data_path = _paths()
        self._variants = Path(self._data_path) / "voices" / "!v"

    def voices(self) -> tuple[str, ...]:
        """The installed voice variants that sound like people, female ones first."""
        return tuple(name for name in (*FEMALE_VARIANTS, *MALE_VARIANTS) if (self._variants / name).is_file())

    def description(self, variant: str) -> str:
        """The voice file of a variant, one attribute on each line (docs/voices.md of espeak-ng).

        Raises:
            SorituneError: the variant does not exist.
        """
        try:
            return (self._variants / variant).read_text(encoding="utf-8", errors="replace")
        except OSError:
            raise SorituneError(self._no_variant(variant)) from None

    def speak_as(
        self,
        description: str,
        text: str,
        *,
        phonemes: bool = True,
        rate_wpm: int = 160,
        pitch: int = 50,
        pitch_range: int = 50,
        volume: int = 100,
    ) -> Spoken:
        """Speaks one utterance.

        Args:
            description: of the voice: a whole voice file (docs/voices.md of espeak-ng) with `language ko`.
            text: the text to speak.
            phonemes: whether parts of the text in `[[…]]` are espeak-ng's phonemes.
            rate_wpm: speed in espeak-ng's words per minute, 80 to 450.
            pitch: 0 to 99; 50 is that of the description.
            pitch_range: 0 (monotone) to 99; 50 is that of the description.
            volume: 0 to 200; 100 is normal.

        Returns:
            The samples, their rate (22050 Hz), and the phonemes with their times.

        Raises:
            SorituneError: the text produces no sound, the description is not a voice file, or the library
                does not start.
        """
        flags = _UTF8 | (_PHONEMES if phonemes else 0)
        with _file_with(description) as file, self._opened(file) as (library, rate):
            return _spoken(library, rate, text, flags, (rate_wpm, volume, pitch, pitch_range))

    def _no_variant(self, variant: str) -> str:
        return f"espeak-ng has no voice variant '{variant}'; available: {', '.join(self.voices())}"

    @contextmanager
    def _opened(self, voice: str) -> Iterator[tuple[ctypes.CDLL, int]]:
        """The library in its initial state with the voice of a file, and its sampling rate; closed afterwards."""
        with _lock:
            try:
                library = ctypes.CDLL(self._library_path)
            except OSError as error:
                raise SorituneError(
                    f"espeak-ng cannot be loaded ({reason_of(error)}); reinstall espeakng-loader"
                ) from error
            try:
                data = os.fsencode(self._data_path)
                rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS))
                library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # used by the Klatt synthesizer
                _seed_c_library(1)  # used for breath by the formant synthesizer
                if rate <= 0 or library.espeak_SetVoiceByFile(os.fsencode(voice)) != 0:
                    raise SorituneError(
                        f"espeak-ng does not start with the data in {self._data_path}; reinstall it"
                    )
                yield library, rate
                library.espeak_Terminate()
            finally:
                _close(library._handle)


@contextmanager
def _file_with(text: str) -> Iterator[str]:
    """The path of a temporary file with a text."""
    handle, path = tempfile.mkstemp(prefix="soritune-voice-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        yield path
    finally:
        os.unlink(path)


def _spoken(
    library: ctypes.CDLL, rate: int, text: str, flags: int, settings: tuple[int, int, int, int]
) -> Spoken:
    """The speech of an opened library for a text; `settings` are rate, volume, pitch and range.

    Raises:
        SorituneError: no sound.
    """
    parts: list[NDArray[np.int16]] = []
    sounds: list[Sound] = []

    def take(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        if events:
            array = ctypes.cast(events, ctypes.POINTER(_Event))
            number = 0
            while (event := array[number]).type:
                if event.type == _PHONEME_EVENT:
                    sounds.append(Sound(event.name.decode("utf-8", "replace"), event.audio_position / 1000))
                number += 1
        return 0

    callback = _CALLBACK(take)  # the name keeps it alive while the library may call it
    library.espeak_SetSynthCallback(callback)
    for parameter, value in zip((_RATE, _VOLUME, _PITCH, _RANGE), settings, strict=True):
        library.espeak_SetParameter(parameter, int(value), 0)
    data = text.encode("utf-8") + b"\0"
    library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, flags, None, None)
    samples = np.concatenate(parts) if parts else np.empty(0, np.int16)
    if not samples.any():
        raise SorituneError(f"espeak-ng produces no sound for {text!r}; give Korean text or phonemes")
    return Spoken(samples.astype(np.float32) / 32768.0, rate, tuple(sounds))


def _seed_c_library(seed: int) -> None:
    """Seeds rand() of the C library, which espeak-ng uses."""
    ctypes.CDLL("ucrtbase" if os.name == "nt" else None).srand(seed)


def _paths() -> tuple[str, str]:
    """The library file and the data folder of espeak-ng."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise SorituneError("speech synthesis needs espeak-ng: pip install 'soritune[speech]'") from error
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())
