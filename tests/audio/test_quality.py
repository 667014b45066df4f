"""Level, clipping and SNR on signals whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.quality import measure_quality


def speech_like(snr_db: float) -> np.ndarray:
    """Two seconds, every other half second a tone of power 0.02, noise everywhere."""
    rng = np.random.default_rng(0)
    time = np.arange(32000) / 16000
    tone = 0.2 * np.sin(2 * np.pi * 200 * time) * ((time % 1.0) < 0.5)
    return (tone + np.sqrt(0.02 * 10 ** (-snr_db / 10)) * rng.standard_normal(32000)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 35.0])
def test_snr_of_a_known_mixture(snr_db: float) -> None:
    quality = measure_quality(speech_like(snr_db), 16000)
    assert quality.snr_db == pytest.approx(snr_db, abs=1.5)
    assert quality.speech_share == pytest.approx(0.5, abs=0.05)


def test_level_and_clipping() -> None:
    square = np.tile(np.repeat(np.array([1.0, -1.0], np.float32), 50), 320)
    quality = measure_quality(square, 16000)
    assert quality.level_dbfs == pytest.approx(0.0, abs=1e-6)
    assert quality.clipped_share == 1.0
    assert measure_quality(0.5 * square, 16000).level_dbfs == pytest.approx(-6.02, abs=0.01)
    assert measure_quality(0.5 * square, 16000).clipped_share == 0.0


def test_silence_and_short_clips_have_no_snr() -> None:
    assert measure_quality(np.zeros(16000, np.float32), 16000).level_dbfs == -100.0
    assert np.isnan(measure_quality(np.zeros(16000, np.float32), 16000).snr_db)
    assert np.isnan(measure_quality(np.ones(100, np.float32), 16000).snr_db)
    assert measure_quality(np.empty(0, np.float32), 16000).level_dbfs == -100.0
