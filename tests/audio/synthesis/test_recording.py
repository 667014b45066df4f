"""Recordings have the drawn conditions: the level of the noise, the band, compression, clipping."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.synthesis.recording import Recording, RecordingSettings, at_level, draw_recording, record

RATE = 16000
PLAIN = Recording(
    room=None,
    noise="none",
    snr_db=200.0,
    colour=0.0,
    response_db=(0.0,) * 7,
    low_hz=1.0,
    high_hz=8000.0,
    slope=4,
    telephone=False,
    pressed=1.0,
    drive_db=0.0,
    peak_db=-6.0,
    lead_s=0.0,
    tail_s=0.0,
)


def tone(seconds: float = 2.0, hertz: float = 440.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def recorded(speech: np.ndarray, **changes: object) -> np.ndarray:
    return record(speech, replace(PLAIN, **changes), RATE, np.random.default_rng(0))  # type: ignore[arg-type]


def share_above(waveform: np.ndarray, hertz: float) -> float:
    power = np.abs(np.fft.rfft(waveform)) ** 2
    return float(power[np.fft.rfftfreq(len(waveform), 1 / RATE) > hertz].sum() / power.sum())


def test_plain_recording_changes_only_the_level() -> None:
    speech = tone()
    assert np.allclose(recorded(speech), speech / np.abs(speech).max() * 10 ** (-6 / 20), atol=1e-3)


@pytest.mark.parametrize("noise", ["steady", "wavering", "hum", "knocks", "babble"])
@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_has_the_given_level(noise: str, snr_db: float) -> None:
    speech = tone(3.0)
    babble = np.random.default_rng(5).standard_normal(20000).astype(np.float32)
    recording = replace(PLAIN, noise=noise, snr_db=snr_db, peak_db=0.0)  # type: ignore[arg-type]
    mixed = record(speech, recording, RATE, np.random.default_rng(0), babble)
    gain = float(mixed @ speech / (speech @ speech))  # the noise does not correlate with the tone
    noise_power, speech_power = np.mean((mixed - gain * speech) ** 2), np.mean((gain * speech) ** 2)
    assert 10 * np.log10(speech_power / noise_power) == pytest.approx(snr_db, abs=0.5)


def test_silence_does_not_count_as_speech_in_the_ratio() -> None:
    """The same speech with a second of silence inside has the same level of noise."""
    alone = recorded(tone(1.0), noise="steady", snr_db=10.0, peak_db=0.0)
    gap = np.concatenate([tone(0.5), np.zeros(RATE, np.float32), tone(0.5)])
    divided = recorded(gap, noise="steady", snr_db=10.0, peak_db=0.0)
    silent = divided[round(0.6 * RATE) : round(1.4 * RATE)]
    gain = float(alone @ tone(1.0) / (tone(1.0) @ tone(1.0)))
    assert np.std(silent) == pytest.approx(np.std(alone - gain * tone(1.0)), rel=0.2)


def test_pink_noise_falls_by_3_db_an_octave() -> None:
    noise = recorded(1e-6 * tone(8.0), noise="steady", snr_db=-100.0, colour=1.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE)
    bands = [
        power[(frequencies >= low) & (frequencies < 1.2 * low)].mean() for low in (200, 400, 800, 1600, 3200)
    ]
    assert np.diff(10 * np.log10(bands)) == pytest.approx(-3.0, abs=1.0)


def test_band_and_telephone_limit_the_spectrum() -> None:
    white = np.random.default_rng(3).standard_normal(3 * RATE).astype(np.float32)
    assert share_above(recorded(white), 4000) > 0.45
    assert share_above(recorded(white, high_hz=3400.0), 4500) < 0.02
    assert 1 - share_above(recorded(white, low_hz=300.0), 100) < 1e-3
    telephone = recorded(white, telephone=True, low_hz=300.0, high_hz=3400.0)
    assert share_above(telephone, 4100) < 1e-3
    assert len(telephone) == len(white)


def test_telephone_has_the_quantisation_noise_of_g711_at_two_levels() -> None:
    """G.711 has 37 to 38 dB of signal over quantisation noise, at full level and 20 dB below it alike."""
    spectrum = np.random.default_rng(0).standard_normal(RATE + 1).astype(np.complex64)
    spectrum[(np.arange(RATE + 1) < 2 * 500) | (np.arange(RATE + 1) > 2 * 3000)] = 0
    hiss = np.fft.irfft(spectrum).astype(np.float32)
    hiss /= np.abs(hiss).max()
    for level in (1.0, 0.1):
        speech = np.concatenate([hiss, level * hiss])
        received = recorded(speech, telephone=True, peak_db=0.0)[len(hiss) + 800 : -800]
        reference = speech[len(hiss) + 800 : -800]
        gain = float(received @ reference / (reference @ reference))
        ratio = np.mean((gain * reference) ** 2) / np.mean((received - gain * reference) ** 2)
        assert 30 < 10 * np.log10(ratio) < 42


def test_drive_clips_and_compression_raises_quiet_parts() -> None:
    assert np.mean(np.abs(recorded(tone(), drive_db=12.0)) > 0.499) > 0.5
    speech = np.concatenate([tone(1.0), 0.1 * tone(1.0)])
    pressed = recorded(speech, pressed=0.5)
    assert np.std(pressed[: RATE // 2]) / np.std(pressed[-RATE // 2 :]) == pytest.approx(np.sqrt(10), rel=0.1)


def test_draws_are_within_the_settings_and_depend_only_on_the_generator() -> None:
    settings = RecordingSettings(room=0, noise=1, snr_db=(5, 10), telephone=0, narrow=0, clipped=0)
    drawn = [draw_recording(np.random.default_rng(seed), settings) for seed in range(200)]
    assert all(each.room is None and 5 <= each.snr_db <= 10 and not each.telephone for each in drawn)
    assert all(each.high_hz == 8000 and each.drive_db == 0 and each.noise != "none" for each in drawn)
    assert drawn == [draw_recording(np.random.default_rng(seed), settings) for seed in range(200)]
    usual = [draw_recording(np.random.default_rng(seed), RecordingSettings()) for seed in range(2000)]
    assert np.mean([each.room is not None for each in usual]) == pytest.approx(0.65, abs=0.04)
    assert np.mean([each.telephone for each in usual]) == pytest.approx(0.08, abs=0.03)
    with pytest.raises(ValidationError):
        RecordingSettings(room=1.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"silence_s": (0.5, 0.02)}, r"silence_s is \[0.5, 0.02\]; give a range"),
        ({"silence_s": (-1.0, -0.5)}, "within 0 and 30"),
        ({"peak_db": (-28.0, 20.0)}, "within -80 and 0"),
        ({"snr_db": (math.nan, math.nan)}, "finite number"),
        ({"microphone_db": math.inf}, "finite number"),
    ],
)
def test_impossible_settings_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RecordingSettings.model_validate(given)


def test_louder_voice_has_a_higher_level_over_the_same_noise() -> None:
    louder = at_level(PLAIN, 4.0)
    assert (louder.peak_db, louder.snr_db) == (-2.0, 204.0)
    assert at_level(PLAIN, 20.0).peak_db == -0.3
    assert at_level(PLAIN, 0.0) is PLAIN
