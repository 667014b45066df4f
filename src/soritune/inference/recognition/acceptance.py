"""Whether recognised text is good enough to be a label: why a clip is set aside."""

from __future__ import annotations

from typing import NamedTuple

from soritune.errors import SorituneError
from soritune.inference.recognition.recogniser import RecognisedText

MIN_CONFIDENCE = 0.6
"""Mean confidence of the words below which a clip is set aside by default (docs/cli.md has the figures)."""
MOST_COMPRESSION = 2.4
"""Text that compresses better repeats itself: the threshold of Whisper (Radford et al. 2022, section 4.5)."""
MOST_NO_SPEECH = 0.6
"""Probability of silence above which words are taken as invented: the threshold of Whisper (ibid.)."""


class SetAside(NamedTuple):
    """Why a clip is set aside."""

    reason: str
    kind: str
    """By which clips are counted together."""


def checked_min_confidence(value: float) -> float:
    """
    Raises:
        SorituneError: not from 0 to 1.
    """
    if not 0 <= value <= 1:  # also nan
        raise SorituneError(f"--min-confidence must be from 0 to 1, got {value:g}")
    return value


def why_set_aside(text: RecognisedText, min_confidence: float = MIN_CONFIDENCE) -> SetAside | None:
    """Why a clip is set aside; None if its text is kept."""
    if not text.words or not text.text:
        return SetAside("no words were recognised", "asr-no-words")
    if text.no_speech > MOST_NO_SPEECH:
        return SetAside(
            f"its words may be invented: the probability of no speech is {text.no_speech:.2f}, above "
            f"{MOST_NO_SPEECH:g}",
            "asr-no-speech",
        )
    if text.compression > MOST_COMPRESSION:
        return SetAside(
            f"its text repeats itself: its compression ratio is {text.compression:.2f}, above {MOST_COMPRESSION:g}",
            "asr-repetition",
        )
    if text.confidence < min_confidence:
        return SetAside(
            f"the mean confidence of its words is {text.confidence:.2f}, below {min_confidence:g}",
            "asr-low-confidence",
        )
    return None
