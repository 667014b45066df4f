"""The contract of a recogniser: samples in, words with times and confidence out.

Next: `inference/recognition/ctranslate2.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from soritune.audio.preprocessing import Preprocessing
from soritune.errors import AudioError
from soritune.inference.clips import Clip

SAMPLE_RATE_HZ = 16000
READING = Preprocessing(sample_rate_hz=SAMPLE_RATE_HZ, normalize=False)
"""How a clip is read for a recogniser: mono at its rate, of any length, at the level that it has."""


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word."""

    word: str
    start_s: float
    """From the start of the clip."""
    end_s: float
    confidence: float
    """0 to 1, as the recogniser states it."""

    def to_json(self) -> dict[str, Any]:
        """Times to the millisecond."""
        return {
            "word": self.word,
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "confidence": round(self.confidence, 4),
        }


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """What a recogniser made of a clip."""

    text: str
    words: tuple[Word, ...]
    duration_s: float
    """Of the clip."""
    no_speech: float = 0.0
    """Largest probability that a stretch of the clip holds no speech, 0 to 1."""
    compression: float = 0.0
    """Largest ratio of the bytes of a stretch's text to those of the text compressed: text that repeats itself has a
    large one."""

    @property
    def confidence(self) -> float:
        """Mean confidence of the words, 0 to 1; 0 without words."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0

    def fields(self) -> dict[str, Any]:
        """The text as fields of a row, the same in a manifest and in predictions."""
        return {
            "text": self.text,
            "text_source": "asr",
            "text_confidence": round(self.confidence, 4),
            "words": [word.to_json() for word in self.words],
        }

    def to_json(self) -> dict[str, Any]:
        """JSON that `from_json` reads."""
        return {
            "text": self.text,
            "duration_s": self.duration_s,
            "no_speech": round(self.no_speech, 4),
            "compression": round(self.compression, 4),
            "words": [word.to_json() for word in self.words],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RecognisedText:
        """Reads what `to_json` made.

        Raises:
            ValueError: a part is missing or has another type.
        """
        try:
            words = tuple(Word(**word) for word in content["words"])
            numbers = (float(content[key]) for key in ("duration_s", "no_speech", "compression"))
            return cls(str(content["text"]), words, *numbers)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks a part of a recognised text ({error})") from error


class Recogniser(Protocol):
    """Makes text from speech."""

    name: str
    """Of the model, as rows state it."""
    language: str
    """Code of the language that is recognised, such as ko."""

    def record(self) -> dict[str, Any]:
        """The model and all settings that change its text, as JSON."""
        ...

    def recognise(self, samples: NDArray[np.float32]) -> RecognisedText:
        """The words of a clip.

        Args:
            samples: (samples,) float32 at `SAMPLE_RATE_HZ`, of any length.
        """
        ...


class LanguageDetector(Protocol):
    """Detects the language of speech."""

    name: str

    def detect_language(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        """Code and probability of the language of (samples,) at `SAMPLE_RATE_HZ`, from their first 30 s."""
        ...


def recognise_clip(recogniser: Recogniser, clip: Clip) -> RecognisedText:
    """Reads a clip and recognises its words.

    Raises:
        AudioError: the clip cannot be read, or is too short.
    """
    return recogniser.recognise(read_clip(clip))


def read_clip(clip: Clip) -> NDArray[np.float32]:
    """(samples,) of a clip at `SAMPLE_RATE_HZ` and its own level.

    Raises:
        AudioError: the clip cannot be read, or is too short.
    """
    if clip.fault is not None:
        raise AudioError(clip.audio, clip.fault)
    if clip.samples is not None:
        return READING.read_samples(*clip.samples, clip.channel)
    assert clip.path is not None
    length = clip.duration_s if clip.start_s is not None else None
    return READING.read(clip.path, clip.start_s, length, clip.channel, clip.pcm)
