"""Statistics of voices: pitch of tones, coefficients against scipy, level and duration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dct

from soritune.audio.spectrum import mel_triangles
from soritune.audio.voice_statistics import SAMPLE_RATE_HZ, pitch_track, voice_statistics


def pulses(hertz: float, seconds: float = 1.0) -> np.ndarray:
    """A sum of ten harmonics."""
    time = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return 0.05 * sum(np.sin(2 * np.pi * hertz * k * time) for k in range(1, 11)).astype(np.float32)


@pytest.mark.parametrize("hertz", [90.0, 150.0, 250.0, 400.0])
def test_pitch_of_a_harmonic_tone_is_its_frequency(hertz: float) -> None:
    assert np.median(pitch_track(pulses(hertz))) == pytest.approx(hertz, rel=0.02)


def test_noise_is_not_voiced() -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    assert (pitch_track(noise) > 0).mean() < 0.05


def test_coefficients_are_the_orthonormal_cosine_transform_of_the_log_mel_energies() -> None:
    wave = np.random.default_rng(1).standard_normal(8000).astype(np.float32)
    frames = np.stack([wave[i : i + 400] for i in range(0, 8000 - 399, 160)]).astype(float) * np.hanning(400)
    power = np.abs(np.fft.rfft(frames, 512)) ** 2
    mel = mel_triangles(np.fft.rfftfreq(512, 1 / 16000), 40, 16000)
    expected = dct(np.log(power @ mel.T + 1e-10), axis=1, norm="ortho")[:, :20]
    found = voice_statistics(wave)
    np.testing.assert_allclose(found[:20], expected.mean(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found[20:40], expected.std(axis=0), rtol=1e-6, atol=1e-9)


def test_level_changes_the_energy_alone_and_the_first_coefficient() -> None:
    wave = np.random.default_rng(2).standard_normal(16000).astype(np.float32)
    quiet, loud = voice_statistics(0.1 * wave), voice_statistics(wave)
    assert loud[40] - quiet[40] == pytest.approx(np.log(100), abs=1e-3)
    np.testing.assert_allclose(loud[1:20], quiet[1:20], atol=1e-4)
    np.testing.assert_allclose(loud[42:], quiet[42:], rtol=1e-5)


def test_a_clip_shorter_than_a_frame_has_finite_statistics_and_its_own_duration() -> None:
    found = voice_statistics(np.zeros(100, np.float32))
    assert found.shape == (48,)
    assert np.isfinite(found).all()
    assert found[-1] == pytest.approx(100 / 16000)
