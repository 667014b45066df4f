"""espeak-ng: the same call returns the same samples, and rate, pitch and volume have their effects."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from soritune.audio.synthesis.espeak import MALE_VARIANTS, Synthesizer
from soritune.audio.synthesis.voices import attributes_of, description_of
from soritune.errors import SorituneError

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")
TEXT = "[[g|o|j|a|N|i|g|a n|a|m|u a|*|E|E|s|@ u|j|u|*|u-|l m|a|S;|@|j|o]]."
"""고양이가 나무 아래에서 우유를 마셔요, without the rest of 에서."""


def median_f0_hz(waveform: np.ndarray, rate: int) -> float:
    """By the autocorrelation of 40 ms frames; 65 to 450 Hz."""
    size, estimates = round(0.04 * rate), []
    for start in range(0, len(waveform) - size, size // 2):
        frame = waveform[start : start + size] - waveform[start : start + size].mean()
        lags = np.correlate(frame, frame, "full")[size - 1 :]
        low, high = int(rate / 450), int(rate / 65)
        best = low + int(lags[low:high].argmax())
        if frame.std() > 0.02 and lags[best] > 0.6 * lags[0]:
            estimates.append(rate / best)
    return float(np.median(estimates))


def speak(variant: str, text: str = TEXT, **settings: int) -> np.ndarray:
    speaker = Synthesizer()
    return speaker.speak_as(
        description_of(attributes_of(speaker.description(variant))), text, **settings
    ).samples


def test_samples_do_not_depend_on_what_was_spoken_before() -> None:
    first = speak("m3")
    speak("Andrea", "[[h|a|h|a]].", rate_wpm=300, pitch=90, pitch_range=90)
    assert np.array_equal(first, speak("m3"))
    spoken = Synthesizer().speak_as("language ko\nname x\n", TEXT)
    assert spoken.sample_rate_hz == 22050
    assert 1.0 < len(spoken.samples) / 22050 < 5.0
    assert 0.05 < np.abs(first).max() <= 1.0


def test_rate_pitch_and_volume_change_length_frequency_and_level() -> None:
    assert len(speak("m3", rate_wpm=240)) < 0.8 * len(speak("m3", rate_wpm=160))
    assert median_f0_hz(speak("m3", pitch=80), 22050) > 1.2 * median_f0_hz(speak("m3", pitch=30), 22050)
    assert np.std(speak("m3", volume=50)) < 0.7 * np.std(speak("m3", volume=100))


def test_more_than_40_variants_are_installed_and_sound_different() -> None:
    voices = Synthesizer().voices()
    assert len(voices) >= 40
    assert len({speak(name, "[[a|n|n|j|@|N]].").tobytes() for name in voices}) == len(voices)
    assert median_f0_hz(speak("f2"), 22050) > 160
    assert median_f0_hz(speak(MALE_VARIANTS[0]), 22050) < 160


def test_phonemes_are_reported_with_their_times() -> None:
    sounds = Synthesizer().speak_as("language ko\nname x\n", "[[n|'a|m|u]].").sounds
    assert [sound.name.strip("'") for sound in sounds][:4] == ["n", "a", "m", "u"]
    times = [sound.start_s for sound in sounds]
    assert times == sorted(times) and times[-1] > 0.1


def test_reading_of_hangul_departs_from_the_standard() -> None:
    read = Synthesizer().speak_as("language ko\nname x\n", "갑니다", phonemes=False).sounds
    names = [sound.name.strip("',") for sound in read]
    assert names[1:4] == ["a", "p", "n"]  # the standard pronunciation is [감니다]


def test_unknown_variant_empty_text_and_missing_library_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = Synthesizer()
    with pytest.raises(SorituneError, match="no voice variant 'Robot'"):
        speaker.description("Robot")
    with pytest.raises(SorituneError, match="produces no sound for ''"):
        speaker.speak_as("language ko\nname x\n", "")
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(SorituneError, match=r"pip install 'soritune\[speech\]'"):
        Synthesizer()
