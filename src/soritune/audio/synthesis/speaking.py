"""Speaks one line in a drawn voice: its manner, its audio file, and the facts about it.

Next: `corpus/synthetic/utterances.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.audio.resample import resample
from soritune.audio.synthesis.espeak import Synthesizer
from soritune.audio.synthesis.mispronunciations import Learner, Pronounced
from soritune.audio.synthesis.phonemes import Accent, in_phonemes, stop_codas
from soritune.audio.synthesis.reading import Reading
from soritune.audio.synthesis.recording import RecordingSettings, at_level, draw_recording, record
from soritune.audio.synthesis.styles import Style, in_style
from soritune.audio.synthesis.voices import Voice
from soritune.audio.waveform import write_audio

SAMPLE_RATE_HZ = 16000
_VOLUME = 25
"""espeak-ng's volume. At its normal volume, 100, half of the drawn voices are clipped. The level is
set afterwards."""
_EDGE = 64
"""Samples over which the level changes at both ends of a release."""
_SILENT = 0.003
"""Amplitude relative to the peak below which espeak-ng's speech counts as silence at its ends."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice with its accent and its errors."""

    name: str
    voice: Voice
    accent: Accent
    learner: Learner


@dataclass(frozen=True, slots=True)
class Line:
    """The text of one utterance, how it is spoken, and its file."""

    id: str
    audio: str
    """Path of the file, relative to the corpus."""
    text: str
    reading: Reading
    errors: Pronounced | None = None
    """The pronunciation with errors, spoken instead of the reading."""
    label: str | None = None
    """Name of the speaking style; None for the speaker's normal manner."""
    style: Style = field(default_factory=Style)


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line as it was spoken and recorded."""

    duration_s: float
    snr_db: float
    gender: str | None
    facts: dict[str, Any]
    """Everything drawn: voice, manner, recording, errors."""


def speak_line(
    root: Path,
    synthesizer: Synthesizer,
    speaker: Speaker,
    line: Line,
    rng: np.random.Generator,
    settings: RecordingSettings,
    babble: NDArray[np.float32] | None = None,
) -> SpokenLine:
    """Speaks a line, writes its audio file and returns the facts about it.

    Args:
        root: folder of the corpus.
        synthesizer: espeak-ng.
        speaker: the voice, its accent and its errors.
        line: the text and the path of the file.
        rng: for melody, manner and recording.
        settings: of the recording.
        babble: (samples,) speech of other voices, for `record`.

    Raises:
        OutputError: the file cannot be written.
    """
    ending = "?" if line.text.endswith("?") or rng.random() < 0.1 else "."
    voice = in_style(speaker.voice, line.style) if line.label else speaker.voice
    manner = draw_manner(voice, rng)
    errors = line.errors
    phrases = line.reading.phrases if errors is None else errors.phrases
    phonemes = in_phonemes(phrases, speaker.accent, rng, ending)
    speech = speak(synthesizer, voice.description, speaker.accent, phonemes, manner)
    recording = at_level(draw_recording(rng, settings), line.style.level_db)
    recorded = record(speech, recording, SAMPLE_RATE_HZ, rng, babble)
    write_audio(root / line.audio, recorded, SAMPLE_RATE_HZ)
    facts: dict[str, Any] = {
        "pronounced": ", ".join(line.reading.pronounced),
        "voice_kind": voice.speaker,
        "variant": voice.variant,
        "formant_scale": round(voice.scale, 3),
        **manner,
        **recording.facts(),
        **({} if errors is None else errors.facts(speaker.learner)),
    }
    return SpokenLine(len(recorded) / SAMPLE_RATE_HZ, round(recording.snr_db, 1), voice.gender, facts)


def draw_manner(voice: Voice, rng: np.random.Generator) -> dict[str, int]:
    """Draws rate, pitch and pitch range of one utterance around those of the voice."""
    return {
        "rate_wpm": int(np.clip(voice.rate_wpm * np.exp(rng.normal(0, 0.12)), 85, 380)),
        "pitch": int(np.clip(voice.pitch + rng.normal(0, 5), 5, 95)),
        "pitch_range": int(np.clip(voice.pitch_range + rng.normal(0, 10), 0, 99)),
    }


def speak(
    synthesizer: Synthesizer, description: str, accent: Accent, phonemes: str, manner: dict[str, int]
) -> NDArray[np.float32]:
    """Speaks phonemes.

    Args:
        synthesizer: espeak-ng.
        description: of the voice.
        accent: determines the level of the releases of stop codas.
        phonemes: as returned by `in_phonemes`.
        manner: as returned by `draw_manner`.

    Returns:
        (samples,) at 16 kHz, without the silence at both ends.
    """
    spoken = synthesizer.speak_as(
        description,
        phonemes,
        rate_wpm=manner["rate_wpm"],
        pitch=manner["pitch"],
        pitch_range=manner["pitch_range"],
        volume=_VOLUME,
    )
    samples, rate = spoken.samples, spoken.sample_rate_hz
    for start_s, end_s in stop_codas(spoken.sounds):
        stretch = samples[round(start_s * rate) : round(end_s * rate)]
        if len(stretch) > 2 * _EDGE:
            gain = np.full(len(stretch), 10 ** (accent.release_db / 20), np.float32)
            gain[:_EDGE] = np.linspace(1, gain[0], _EDGE)
            gain[-_EDGE:] = np.linspace(gain[0], 1, _EDGE)
            stretch *= gain
    speech = resample(samples, rate, SAMPLE_RATE_HZ)
    loud = np.flatnonzero(np.abs(speech) > _SILENT * np.abs(speech).max())
    result: NDArray[np.float32] = speech[loud[0] : loud[-1] + 1]
    return result
