from __future__ import annotations

import numpy as np
from tests.serving.conftest import speechlike

from soritune.audio.voice_activity import EnergyGate
from soritune.serving.speech_events import LOOK_BACK_S, STEP_S, SpeechEvent, SpeechEvents

RATE = 16_000


def events_of(samples: np.ndarray, detector: EnergyGate | None) -> list[SpeechEvent]:
    """What a stream of the samples reports."""
    events, found = SpeechEvents(detector, RATE), []
    for end in range(round(STEP_S * RATE), len(samples) + 1, round(STEP_S * RATE)):
        tail = samples[max(0, end - round(LOOK_BACK_S * RATE)) : end].astype(np.float32)
        found += events.look(tail, end / RATE)
    return found


def test_speech_begins_and_ends_where_it_is() -> None:
    """Silence to 2 s, syllables from 2.3 to 4.7 s, silence to 8 s."""
    rng = np.random.default_rng(3)
    silence = 1e-4 * rng.standard_normal(2 * RATE)
    samples = np.concatenate([silence, speechlike(3.0), silence, silence[:RATE]])
    start, end = events_of(samples, EnergyGate())
    assert (start.name, end.name) == ("speech_start", "speech_end")
    assert abs(start.at_s - 2.3) < 0.5
    assert abs(end.at_s - 4.7) < 0.5


def test_silence_has_no_events() -> None:
    samples = 1e-4 * np.random.default_rng(3).standard_normal(6 * RATE)
    assert events_of(samples, EnergyGate()) == []


def test_everything_counts_as_speech_without_a_detector() -> None:
    assert events_of(speechlike(3.0), None) == []
    assert SpeechEvents(None, RATE).is_speaking
