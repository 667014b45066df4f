"""Speech by espeak-ng from its own phonemes, in voices described to it. Next: `audio/synthesis/voices.py`.

espeak-ng is GPL-3.0 and comes with the extra `speech` (package `espeakng-loader`); it is loaded here, when
first used, and nowhere else. The library keeps global state (oscillator phases among it) that starting it
again does not clear, so it is opened and closed for every utterance, about 3 ms: the same call gives the same
samples whatever was spoken before. One utterance at a time; parallel synthesis takes processes.

It is given phonemes, in `[[…]]`, because its reading of Hangul departs from the standard pronunciation: it does not
nasalise (갑니다 as [갑니다]), says ㄹㄹ as one ㄹ, and has one sound for ㄱ and ㄲ inside a word. What it would do with
Hangul, and how far its phonemes agree with a label, is in docs/synthetic-speech.md; which phonemes stand for which
phones is in `audio/synthesis/phonemes.py`.
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

from soritune.errors import SorituneError

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
    """espeak_EVENT of speak_lib.h; the last member of its union is the phoneme's name."""

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
    """One of espeak-ng's phonemes in what it spoke."""

    name: str
    """espeak-ng's own mnemonic; empty for a pause."""
    start_s: float


class Spoken(NamedTuple):
    """One utterance."""

    samples: NDArray[np.float32]
    """(samples,) in [-1, 1]."""
    sample_rate_hz: int
    sounds: tuple[Sound, ...]


_lock = threading.Lock()
_close: Callable[[int], Any] = getattr(_ctypes, "FreeLibrary" if os.name == "nt" else "dlclose")


class Synthesizer:
    """Speaks espeak-ng's own phonemes, or spelling, in a voice described to it.

    Raises:
        SorituneError: espeak-ng is not installed.
    """

    def __init__(self) -> None:
        self._library_path, self._data_path = _paths()
        self._variants = Path(self._data_path) / "voices" / "!v"

    def voices(self) -> tuple[str, ...]:
        """The voice variants that sound like people and are installed, female ones first."""
        return tuple(name for name in (*FEMALE_VARIANTS, *MALE_VARIANTS) if (self._variants / name).is_file())

    def description(self, variant: str) -> str:
        """What the file of a variant says: a line for each attribute (espeak-ng's docs/voices.md).

        Raises:
            SorituneError: no such variant.
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
        """One utterance in a voice that is described here.

        Args:
            description: A whole voice file (espeak-ng's docs/voices.md), `language ko` in it.
            text: What to say; with `phonemes`, what stands in `[[…]]` is in espeak-ng's phonemes.
            phonemes: Whether `[[…]]` means that.
            rate_wpm: Speed in espeak-ng's words per minute, 80 to 450.
            pitch: 0 to 99, 50 is the description's own.
            pitch_range: 0 (monotone) to 99, 50 is the description's own.
            volume: 0 to 200, 100 is normal.

        Returns:
            Samples, rate (22050 Hz), and what was said when.

        Raises:
            SorituneError: the text gives no sound, the description is none, or the library does not start.
        """
        flags = _UTF8 | (_PHONEMES if phonemes else 0)
        with _file_with(description) as file, self._opened(file) as (library, rate):
            return _spoken(library, rate, text, flags, (rate_wpm, volume, pitch, pitch_range))

    def _no_variant(self, variant: str) -> str:
        return f"espeak-ng has no voice variant '{variant}'; there are: {', '.join(self.voices())}"

    @contextmanager
    def _opened(self, voice: str) -> Iterator[tuple[ctypes.CDLL, int]]:
        """The library in its first state with the voice of a file, and its sampling rate; closed afterwards."""
        with _lock:
            try:
                library = ctypes.CDLL(self._library_path)
            except OSError as error:
                raise SorituneError(
                    f"espeak-ng cannot be loaded ({error}); reinstall espeakng-loader"
                ) from error
            try:
                data = os.fsencode(self._data_path)
                rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS))
                library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # of the Klatt synthesizer
                _seed_c_library(1)  # of the breath of the other one
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
    """The path of a file that holds a text, for as long as it is needed."""
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
    """What an opened library makes of a text; `settings` are rate, volume, pitch and range.

    Raises:
        SorituneError: no sound.
    """
    parts: list[NDArray[np.int16]] = []
    sounds: list[Sound] = []

    def take(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        if events:
            found = ctypes.cast(events, ctypes.POINTER(_Event))
            number = 0
            while (event := found[number]).type:
                if event.type == _PHONEME_EVENT:
                    sounds.append(Sound(event.name.decode("utf-8", "replace"), event.audio_position / 1000))
                number += 1
        return 0

    callback = _CALLBACK(take)  # held by this name while the library may call it
    library.espeak_SetSynthCallback(callback)
    for parameter, value in zip((_RATE, _VOLUME, _PITCH, _RANGE), settings, strict=True):
        library.espeak_SetParameter(parameter, int(value), 0)
    data = text.encode("utf-8") + b"\0"
    library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, flags, None, None)
    samples = np.concatenate(parts) if parts else np.empty(0, np.int16)
    if not samples.any():
        raise SorituneError(f"espeak-ng makes no sound of {text!r}; give it Korean text")
    return Spoken(samples.astype(np.float32) / 32768.0, rate, tuple(sounds))


def _seed_c_library(seed: int) -> None:
    """Seeds rand() of the C library that espeak-ng draws from."""
    ctypes.CDLL("ucrtbase" if os.name == "nt" else None).srand(seed)


def _paths() -> tuple[str, str]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise SorituneError("speech synthesis needs espeak-ng: pip install 'soritune[speech]'") from error
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())
