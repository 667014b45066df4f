"""espeak-ng through ctypes: the same call gives the same samples, and the knobs do what they say."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from soritune.audio.synthesize import MALE_VARIANTS, Synthesizer
from soritune.errors import SorituneError

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
TEXT = "고양이가 나무 아래에서 우유를 마셔요"


def median_f0_hz(waveform: np.ndarray, rate: int) -> float:
    """By the autocorrelation of 40 ms frames; 65 to 450 Hz."""
    size, found = round(0.04 * rate), []
    for start in range(0, len(waveform) - size, size // 2):
        frame = waveform[start : start + size] - waveform[start : start + size].mean()
        lags = np.correlate(frame, frame, "full")[size - 1 :]
        low, high = int(rate / 450), int(rate / 65)
        best = low + int(lags[low:high].argmax())
        if frame.std() > 0.02 and lags[best] > 0.6 * lags[0]:
            found.append(rate / best)
    return float(np.median(found))


def test_samples_do_not_depend_on_what_was_spoken_before() -> None:
    speaker = Synthesizer()
    first, rate = speaker.speak(TEXT, variant="m3")
    speaker.speak("다른 말을 해요", variant="Andrea", rate_wpm=300, pitch=90, pitch_range=90)
    speaker.phonemes("하하하")
    again, _ = speaker.speak(TEXT, variant="m3")
    assert np.array_equal(first, again)
    assert rate == 22050
    assert 1.0 < len(first) / rate < 5.0
    assert 0.05 < np.abs(first).max() <= 1.0


def test_rate_pitch_and_volume() -> None:
    speaker = Synthesizer()

    def spoken(**settings: int) -> np.ndarray:
        return speaker.speak(TEXT, variant="m3", **settings)[0]  # type: ignore[arg-type]

    assert len(spoken(rate_wpm=240)) < 0.8 * len(spoken(rate_wpm=160))
    assert median_f0_hz(spoken(pitch=80), 22050) > 1.2 * median_f0_hz(spoken(pitch=30), 22050)
    assert np.std(spoken(volume=50)) < 0.7 * np.std(spoken(volume=100))


def test_there_are_enough_voices_and_they_differ() -> None:
    speaker = Synthesizer()
    voices = speaker.voices()
    assert len(voices) >= 40
    assert len({speaker.speak("안녕", variant=name)[0].tobytes() for name in voices}) == len(voices)
    assert median_f0_hz(speaker.speak(TEXT, variant="f2")[0], 22050) > 160
    assert median_f0_hz(speaker.speak(TEXT, variant=MALE_VARIANTS[0])[0], 22050) < 160


def test_phonemes_apply_the_standard_rules_claimed_for_them() -> None:
    speaker = Synthesizer()
    assert speaker.phonemes("나무").replace("'", "").split("_") == ["n", "a", "m", "u"]
    assert speaker.phonemes("같이").endswith("tS;_h_i")  # palatalised
    assert "m_n" not in speaker.phonemes("갑니다")  # not nasalised: why the demo's words avoid it


def test_one_sentence_for_what_cannot_be_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = Synthesizer()
    with pytest.raises(SorituneError, match="no voice variant 'nobody'"):
        speaker.speak(TEXT, variant="nobody")
    with pytest.raises(SorituneError, match="makes no sound"):
        speaker.speak("", variant="f2")
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SorituneError, match=r"pip install 'soritune\[speech\]'"):
        Synthesizer()
