"""A recogniser that returns given texts one after another and reads no audio."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.inference.recognition.recogniser import RecognisedText, Word


def recognised(text: str, confidence: float = 0.9, **signs: float) -> RecognisedText:
    """A text whose words have one confidence and last half a second each."""
    words = [Word(word, n / 2, n / 2 + 0.5, confidence) for n, word in enumerate(text.split())]
    return RecognisedText(text, tuple(words), **{"duration_s": 1.0, **signs})


class ToyRecogniser:
    """Gives the next of its texts at each call."""

    def __init__(self, *texts: RecognisedText | str, name: str = "toy", language: str = "ko") -> None:
        self.name, self.language = name, language
        self.lengths: list[int] = []
        """Samples of each clip that was recognised."""
        self._texts: Iterable[RecognisedText | str] = iter(texts)

    def record(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "library": "toys",
            "sha256": "abc",
            "language": self.language,
            "beam_size": 1,
            "compute_type": "int8",
        }

    def recognise(self, samples: NDArray[np.float32]) -> RecognisedText:
        self.lengths.append(len(samples))
        text = next(iter(self._texts))
        return recognised(text) if isinstance(text, str) else text
