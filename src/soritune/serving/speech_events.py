"""Where speech begins and ends in a stream, from a detector that reads whole stretches. Next: `serving/stream.py`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from soritune.audio.voice_activity import VoiceActivity

STEP_S = 0.5
"""How often the end of a stream is examined."""
LOOK_BACK_S = 3.0
"""What is examined: a detector needs something before, and costs LOOK_BACK_S / STEP_S times the length of a stream."""
LEAST_SPEECH_S, LEAST_SILENCE_S = 0.25, 0.8


class SpeechEvent(NamedTuple):
    """A change between speech and silence."""

    name: str
    """speech_start or speech_end."""
    at_s: float
    """In the stream."""


class SpeechEvents:
    """Follows one stream.

    Args:
        detector: finds speech; None reports none, and counts everything as speech.
        rate: of the samples.
    """

    def __init__(self, detector: VoiceActivity | None, rate: int) -> None:
        self.detector, self.rate = detector, rate
        self.is_speaking = detector is None
        self.has_spoken = detector is None
        """Whether there was speech since this was last set to false."""

    def look(self, tail: NDArray[np.float32], end_s: float) -> list[SpeechEvent]:
        """The change that the end of the stream shows, if any.

        Args:
            tail: (samples,) in [-1, 1], the last `LOOK_BACK_S` of the stream, or all of a shorter one.
            end_s: length of the stream so far.
        """
        if self.detector is None:
            return []
        start_s = end_s - len(tail) / self.rate
        activity = self.detector.find(tail, self.rate)
        speech = np.flatnonzero(activity.frames) * activity.frame_s
        length = len(tail) / self.rate
        recent = activity.speech_s(max(0.0, length - 2 * STEP_S), length)
        if recent > 0:
            self.has_spoken = self.has_spoken or self.is_speaking
        if not self.is_speaking and recent >= LEAST_SPEECH_S:
            self.is_speaking = self.has_spoken = True
            first = speech[speech >= length - 2 * STEP_S]
            return [SpeechEvent("speech_start", round(start_s + float(first[0]), 3))]
        if self.is_speaking and not activity.speech_s(max(0.0, length - LEAST_SILENCE_S), length):
            self.is_speaking = False
            last = float(speech[-1]) + activity.frame_s if len(speech) else max(0.0, length - LEAST_SILENCE_S)
            return [SpeechEvent("speech_end", round(start_s + last, 3))]
        return []
