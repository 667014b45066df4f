"""Korean speech from text by espeak-ng, for demonstrations and tests.

espeak-ng is GPL-3.0 and comes with the extra `speech` (package `espeakng-loader`); it is loaded here, when
first used, and nowhere else. The library keeps global state (oscillator phases among it) that starting it
again does not clear, so it is opened and closed for every utterance, about 3 ms: the same call gives the same
samples whatever was spoken before. One utterance at a time; parallel synthesis takes processes.

Where espeak-ng's Korean departs from the standard pronunciation: it does not nasalise (갑니다 as [갑니다],
국물 as [국물]) nor turn ㄴ into ㄹ (신라 as [신라]), drops the tense sound of 있어요 and the t of 바닷가,
and says ㄹㄹ as one ㄹ. It applies liaison, tensification, palatalisation and coda neutralisation, so labels
made by G2P agree with it for words without the first contexts.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

_SYNCHRONOUS, _UTF8 = 2, 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()
_close: Callable[[int], Any] = getattr(_ctypes, "FreeLibrary" if os.name == "nt" else "dlclose")


class Synthesizer:
    """Speaks ready spelling.

    Raises:
        SorituneError: espeak-ng is not installed.
    """

    def __init__(self) -> None:
        self._library_path, self._data_path = _paths()
        self._variants = Path(self._data_path) / "voices" / "!v"

    def voices(self) -> tuple[str, ...]:
        """The voice variants that sound like people and are installed, female ones first."""
        return tuple(name for name in (*FEMALE_VARIANTS, *MALE_VARIANTS) if (self._variants / name).is_file())

    def speak(
        self,
        text: str,
        *,
        variant: str = "f2",
        rate_wpm: int = 160,
        pitch: int = 50,
        pitch_range: int = 50,
        volume: int = 100,
    ) -> tuple[NDArray[np.float32], int]:
        """One utterance.

        Args:
            text: Korean spelling; numbers and other writing should be spelled out.
            variant: One of `voices()`, or any other espeak-ng variant.
            rate_wpm: Speed in espeak-ng's words per minute, 80 to 450.
            pitch: 0 to 99, 50 is the variant's own.
            pitch_range: 0 (monotone) to 99, 50 is the variant's own.
            volume: 0 to 200, 100 is normal.

        Returns:
            (samples,) float32 in [-1, 1], and their rate (22050 Hz).

        Raises:
            SorituneError: no such variant, the text gives no sound, or the library does not start.
        """
        if not variant or not (self._variants / variant).is_file():
            raise SorituneError(
                f"espeak-ng has no voice variant '{variant}'; there are: {', '.join(self.voices())}"
            )
        parts: list[NDArray[np.int16]] = []

        def take(samples: Any, count: int, events: Any) -> int:
            if samples and count > 0:
                parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
            return 0

        callback = _CALLBACK(take)  # held by this name while the library may call it
        with self._opened(f"ko+{variant}") as (library, rate):
            library.espeak_SetSynthCallback(callback)
            for parameter, value in (
                (_RATE, rate_wpm),
                (_VOLUME, volume),
                (_PITCH, pitch),
                (_RANGE, pitch_range),
            ):
                library.espeak_SetParameter(parameter, int(value), 0)
            data = text.encode("utf-8") + b"\0"
            library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, _UTF8, None, None)
        samples = np.concatenate(parts) if parts else np.empty(0, np.int16)
        if not samples.any():
            raise SorituneError(f"espeak-ng makes no sound of {text!r}; give it Korean text")
        return samples.astype(np.float32) / 32768.0, rate

    def phonemes(self, text: str) -> str:
        """What espeak-ng is going to say, in its own phoneme names joined by "_"; words are separated by
        spaces."""
        pointer = ctypes.c_char_p(text.encode("utf-8"))
        clauses = []
        with self._opened("ko") as (library, _):
            library.espeak_TextToPhonemes.restype = ctypes.c_char_p
            while pointer.value:
                clause: bytes = library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, ord("_") << 8)
                clauses.append(clause.decode("utf-8"))
        return " ".join(clauses)

    @contextmanager
    def _opened(self, voice: str) -> Iterator[tuple[ctypes.CDLL, int]]:
        """The library in its first state with a voice set, and its sampling rate; closed afterwards."""
        with _lock:
            try:
                library = ctypes.CDLL(self._library_path)
            except OSError as error:
                raise SorituneError(
                    f"espeak-ng cannot be loaded ({error}); reinstall espeakng-loader"
                ) from error
            try:
                rate = int(library.espeak_Initialize(_SYNCHRONOUS, 0, os.fsencode(self._data_path), 0))
                library.espeak_ng_SetRandSeed(ctypes.c_long(1))
                if rate <= 0 or library.espeak_SetVoiceByName(voice.encode()) != 0:
                    raise SorituneError(
                        f"espeak-ng does not start with the data in {self._data_path}; reinstall it"
                    )
                yield library, rate
                library.espeak_Terminate()
            finally:
                _close(library._handle)


def _paths() -> tuple[str, str]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise SorituneError("speech synthesis needs espeak-ng: pip install 'soritune[speech]'") from error
    return str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())
