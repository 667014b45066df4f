"""White noise at the ratio drawn, also after clipping and on speech of people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.pitch_tracking import RATE, real_clips

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.gaussian_noise import GaussianNoise
from soritune.draws import Draws

DRAWS = Draws(0, 0, 0)


def active_db(clip: np.ndarray) -> float:
    """Level of the 10 ms frames within 30 dB of the loudest."""
    level = clip.astype(np.float64) - np.mean(clip, dtype=np.float64)
    size = RATE // 100
    powers = np.mean(level[: len(level) // size * size].reshape(-1, size) ** 2, axis=1)
    return float(10 * np.log10(np.mean(powers[powers > powers.max() / 1000])))


def test_measured_ratio_is_the_one_drawn_on_speech_of_people(shared_data: Path) -> None:
    chain = Chain({"gaussian_noise": GaussianNoise(probability=1, snr_db=(0, 30))})
    errors, clipped = [], 0
    for visit, clip in enumerate(real_clips(shared_data)):
        for level in (1.0, 0.98 / np.abs(clip).max()):  # as recorded, and with peaks near full scale
            loud = (clip * np.float32(level)).astype(np.float32)
            noisy = chain.apply(loud, RATE, visit, DRAWS)
            drawn = chain.drawn(visit, DRAWS)["gaussian_noise"]["snr_db"][0]
            added = noisy.astype(np.float64) - loud
            errors.append(active_db(loud) - 10 * np.log10(np.mean(added**2)) - drawn)
            assert np.abs(noisy).max() <= 1.0
            clipped += int((np.abs(noisy) == 1.0).any())
    assert np.abs(errors).max() <= 0.5
    assert clipped > 10


def test_added_noise_is_white_and_gaussian() -> None:
    clip = (0.1 * np.sin(np.arange(4 * RATE) / 10)).astype(np.float32)
    chain = Chain({"gaussian_noise": GaussianNoise(probability=1, snr_db=(20, 20))})
    added = chain.apply(clip, RATE, 0, DRAWS).astype(np.float64) - clip
    normal = added / added.std()
    assert np.mean(normal**4) == pytest.approx(3.0, abs=0.1)  # the fourth moment of a normal distribution
    power = np.abs(np.fft.rfft(normal)) ** 2
    bands = [part.mean() / power.mean() for part in np.array_split(power, 8)]
    assert bands == pytest.approx(np.ones(8), abs=0.06)
