"""A telephone carries 300 to 3400 Hz in the levels of ITU-T G.711."""

from __future__ import annotations

import numpy as np
import pytest

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.telephone import TelephoneLine, through_mu_law
from soritune.draws import Draws

RATE = 16000
CHORDS = {
    2: (2, 30), 4: (33, 93), 8: (99, 219), 16: (231, 471),
    32: (495, 975), 64: (1023, 1983), 128: (2079, 3999), 256: (4191, 8031),
}  # fmt: skip
"""Tables 2a and 2b of G.711, in its units of 1/8159 of full scale: step of a chord, its first and last output."""


def line(samples: np.ndarray, rate: int = RATE, peak_db: float = 0.0) -> np.ndarray:
    telephone = TelephoneLine(probability=1.0, peak_db=(peak_db, peak_db))
    return Chain({"telephone": telephone}).apply(samples.astype(np.float32), rate, 0, Draws(0, 0, 0))


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_power_above_4_khz_is_removed(rate: int) -> None:
    received = line(np.random.default_rng(0).standard_normal(2 * rate), rate)
    power = np.abs(np.fft.rfft(received)) ** 2
    hertz = np.fft.rfftfreq(len(received), 1 / rate)
    assert power[hertz > 4000].sum() / power.sum() < 1e-5
    assert power[hertz < 100].sum() / power.sum() < 1e-3


@pytest.mark.parametrize(("hertz", "gain_db"), [(300, -3.01), (1000, 0.0), (3400, -3.01)])
def test_band_is_3_db_down_at_300_and_3400_hz_and_the_level_is_kept(hertz: float, gain_db: float) -> None:
    received, sent = line(tone(hertz))[2000:-2000], tone(hertz)[2000:-2000]
    gain = float(received @ sent / (sent @ sent))
    assert 20 * np.log10(gain) == pytest.approx(gain_db, abs=0.3)


def test_levels_are_those_of_g711_within_a_step() -> None:
    """The continuous law maps every output value of the G.711 table to within a step of its chord."""
    for step, (first, last) in CHORDS.items():
        outputs = np.arange(first, last + 1, step)
        assert len(outputs) == (15 if step == 2 else 16)
        for sign in (1, -1):
            decoded = through_mu_law(sign * outputs / 8159) * 8159
            assert np.abs(decoded - sign * outputs).max() <= step
    assert len(np.unique(through_mu_law(np.linspace(-1, 1, 200_001)))) == 255


def test_levels_worked_by_hand() -> None:
    """F(x) = ln(1 + 255 x) / ln 256 in 127 steps: F(0.01) = 0.22847 is step 29.02, and step 29 decodes to
    (256^(29/127) - 1) / 255 = 0.0099899; F(0.5) = 0.87570 is step 111.2, and step 111 decodes to 0.495307."""
    decoded = through_mu_law(np.array([0.0, 0.01, -0.01, 0.5, 1.0, -1.0]))
    assert decoded == pytest.approx([0.0, 0.0099899, -0.0099899, 0.495307, 1.0, -1.0], rel=1e-5)


@pytest.mark.parametrize("peak_db", [0.0, -20.0])
def test_quantisation_noise_is_that_of_g711_at_any_peak(peak_db: float) -> None:
    """G.711 has 37 to 38 dB of signal over noise in its whole range; the tolerance is a few dB."""
    sent = sum(tone(hertz, 2.0) for hertz in (510, 830, 1270, 1910, 2330))
    received, sent = line(sent, peak_db=peak_db)[2000:-2000], sent[2000:-2000]
    design = np.stack([f(2 * np.pi * h * np.arange(2000, 30000) / RATE) for h in (510, 830, 1270, 1910, 2330)
                       for f in (np.sin, np.cos)], axis=1)  # fmt: skip
    weights, *_ = np.linalg.lstsq(design, received, rcond=None)
    noise = received - design @ weights
    assert 32 < 10 * np.log10(np.mean(sent**2) / np.mean(noise**2)) < 42


def test_silence_remains_silent() -> None:
    assert not line(np.zeros(1600)).any()
