"""One spoken line: the level of releases, the silence around speech, the file, and the facts about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soritune.audio.synthesis.espeak import Sound, Spoken, Synthesizer
from soritune.audio.synthesis.mispronunciations import Learner, Pronounced
from soritune.audio.synthesis.phonemes import Accent
from soritune.audio.synthesis.reading import draw_reading
from soritune.audio.synthesis.recording import RecordingSettings
from soritune.audio.synthesis.speaking import SAMPLE_RATE_HZ, Line, Speaker, draw_manner, speak, speak_line
from soritune.audio.synthesis.styles import Style
from soritune.audio.synthesis.voices import Voice
from soritune.audio.waveform import read_audio, read_header

RATE = 22050
VOICE = Voice("language ko\nname x\n", "woman", "f2", 1.1234567, rate_wpm=200, pitch=50, pitch_range=50)
CLEAN = RecordingSettings(room=0, noise=0, microphone_db=0, narrow=0, telephone=0, compressed=0, clipped=0)


class FakeSynthesizer(Synthesizer):
    """Speaks 0.6 s of a tone of 200 Hz with 0.2 s of silence on both sides, whatever the text; keeps
    its arguments."""

    def __init__(self, *sounds: Sound) -> None:
        self.sounds = sounds
        self.calls: list[dict[str, Any]] = []

    def speak_as(self, description: str, text: str, **settings: Any) -> Spoken:
        self.calls.append({"description": description, "text": text, **settings})
        tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(round(0.6 * RATE)) / RATE)
        silence = np.zeros(round(0.2 * RATE))
        return Spoken(np.concatenate([silence, tone, silence]).astype(np.float32), RATE, self.sounds)


def speaker(accent: Accent | None = None) -> Speaker:
    return Speaker("s1", VOICE, accent or Accent(), Learner(0.1, (1.0,) * 9))


def line(text: str = "나무를 봐요.", **changes: Any) -> Line:
    reading = draw_reading(text, np.random.default_rng(0), 0.0, 1.0)
    return Line("u1", "audio/u1.flac", text, reading, **changes)


def spoken_line(
    folder: Path, settings: RecordingSettings, spoken: Line, synthesizer: Synthesizer
) -> np.ndarray:
    """The samples of the file."""
    made = speak_line(folder, synthesizer, speaker(), spoken, np.random.default_rng(3), settings)
    assert made.duration_s == read_header(folder / "audio" / "u1.flac").duration_s
    return read_audio(folder / "audio" / "u1.flac")


MANNER = {"rate_wpm": 200, "pitch": 50, "pitch_range": 50}


def test_speech_has_16_khz_and_no_silence_at_its_ends() -> None:
    samples = speak(FakeSynthesizer(), "x", Accent(), "[[a]].", MANNER)
    assert SAMPLE_RATE_HZ == 16000
    assert len(samples) == pytest.approx(0.6 * 16000, abs=40)
    spectrum = np.abs(np.fft.rfft(samples[:8000]))  # bins of 2 Hz
    assert 2 * int(spectrum.argmax()) == 200


@pytest.mark.parametrize("release_db", [0.0, -20.0])
def test_release_of_a_stop_coda_has_the_level_of_the_accent(release_db: float) -> None:
    """The release of q, which is ㄱ before a consonant, is from 0.4 to 0.6 s; the t- before a vowel is an onset."""
    sounds = [Sound("'a", 0.2), Sound("q", 0.4), Sound("n", 0.6), Sound("t-", 0.65), Sound("a", 0.7)]
    samples = speak(FakeSynthesizer(*sounds), "x", Accent(release_db=release_db), "[[a]].", MANNER)
    # 0.16 s of the 0.2 s before, of and after the release.
    before, release, after = (np.std(samples[start : start + 2560]) for start in (320, 3520, 6720))
    assert 20 * np.log10(release / before) == pytest.approx(release_db, abs=0.3)
    assert after == pytest.approx(before, rel=0.02)


def test_manner_varies_around_the_voice_within_limits() -> None:
    """A logarithmic deviation of 0.12 for the rate, 5 for the pitch, 10 for the range; four standard errors."""
    drawn = [draw_manner(VOICE, np.random.default_rng(seed)) for seed in range(1000)]
    rates, pitches, ranges = (np.array([manner[name] for manner in drawn]) for name in MANNER)
    assert np.median(rates) == pytest.approx(200, abs=4)
    assert np.std(np.log(rates)) == pytest.approx(0.12, abs=0.012)
    assert (np.mean(pitches), np.std(pitches)) == (pytest.approx(50, abs=1.2), pytest.approx(5, abs=0.5))
    assert (np.mean(ranges), np.std(ranges)) == (pytest.approx(50, abs=1.8), pytest.approx(10, abs=1.0))
    extreme = Voice("x", "man", "m1", 1.0, rate_wpm=1000, pitch=-100, pitch_range=300)
    assert draw_manner(extreme, np.random.default_rng(0)) == {"rate_wpm": 380, "pitch": 5, "pitch_range": 99}


def test_file_contains_the_speech_and_its_silence(tmp_path: Path) -> None:
    settings = CLEAN.model_copy(update={"silence_s": (0.25, 0.25), "peak_db": (-6.0, -6.0)})
    samples = spoken_line(tmp_path, settings, line(), FakeSynthesizer())
    assert len(samples) / 16000 == pytest.approx(0.25 + 0.6 + 0.25, abs=0.01)
    assert np.abs(samples).max() == pytest.approx(10 ** (-6 / 20), rel=0.01)
    assert np.array_equal(samples, spoken_line(tmp_path, settings, line(), FakeSynthesizer()))


def test_style_changes_voice_and_level_only_with_a_label(tmp_path: Path) -> None:
    settings = CLEAN.model_copy(update={"peak_db": (-12.0, -12.0)})
    style = Style(pitch=20, level_db=6)
    plain, styled, unlabelled = FakeSynthesizer(), FakeSynthesizer(), FakeSynthesizer()
    quiet = spoken_line(tmp_path, settings, line(), plain)
    loud = spoken_line(tmp_path, settings, line(label="Loud", style=style), styled)
    assert 20 * np.log10(np.abs(loud).max() / np.abs(quiet).max()) == pytest.approx(6, abs=0.1)
    assert styled.calls[0]["pitch"] == plain.calls[0]["pitch"] + 20
    spoken_line(tmp_path, settings, line(style=style), unlabelled)
    assert unlabelled.calls[0]["pitch"] == plain.calls[0]["pitch"]


def test_question_has_the_melody_of_a_question(tmp_path: Path) -> None:
    synthesizer = FakeSynthesizer()
    spoken_line(tmp_path, CLEAN, line("나무를 봐요?"), synthesizer)
    assert synthesizer.calls[0]["text"].endswith("]]?")


def test_errors_are_spoken_and_reported(tmp_path: Path) -> None:
    """밥 with a vowel inserted: 바브."""
    steps = (("B", "B", "C"), ("A", "A", "C"), ("p", "B", "S"), ("sil", "EU", "I"))
    errors = Pronounced((("B", "A", "B", "EU"),), steps)  # type: ignore[arg-type]
    synthesizer, plain = FakeSynthesizer(), speaker(Accent(accented=0.0))
    made = speak_line(
        tmp_path, synthesizer, plain, line("밥", errors=errors), np.random.default_rng(0), CLEAN
    )
    assert synthesizer.calls[0]["text"].startswith("[[p|a|b|u-]]")
    assert (made.facts["pronounced"], made.facts["said"], made.facts["error_rate"]) == ("밥", "바브", 0.1)
    assert (made.gender, made.facts["variant"], made.facts["formant_scale"]) == ("f", "f2", 1.123)
    assert made.facts["noise"] == "none" and "room_decay_s" not in made.facts
    assert made.snr_db == pytest.approx(made.facts["snr_db"], abs=0.051)
