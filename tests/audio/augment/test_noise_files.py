"""Recorded noise: the part drawn, at the ratio drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.noise_files import NoiseFiles
from soritune.draws import Draws
from soritune.errors import AugmentationError

RATE, DRAWS = 16000, Draws(0, 0, 0)
TONE = (0.2 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def chain(folder: Path, **settings: object) -> Chain:
    return Chain(
        {"noise_files": NoiseFiles.model_validate({"folder": str(folder), "probability": 1, **settings})}
    )


def test_added_sound_is_a_part_of_the_recording_at_the_ratio_drawn(tmp_path: Path) -> None:
    recording = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE)
    soundfile.write(tmp_path / "cafe.wav", recording, RATE, subtype="FLOAT")
    made, starts = chain(tmp_path), []
    for visit in range(6):
        added = made.apply(TONE, RATE, visit, DRAWS).astype(np.float64) - TONE
        drawn = made.drawn(visit, DRAWS)["noise_files"]
        ratio = 10 * np.log10(0.02 / np.mean(added**2))
        assert ratio == pytest.approx(drawn["snr_db"][0], abs=0.05)
        begin = round(float(drawn["start"][0]) * 4 * RATE)
        part = recording[begin : begin + RATE]
        assert np.corrcoef(added, part)[0, 1] > 0.999
        starts.append(begin)
    assert len(set(starts)) == 6


def test_short_recording_is_repeated_and_other_rates_are_resampled(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "knock.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 4410), 44100)
    added = chain(tmp_path).apply(TONE, RATE, 0, DRAWS).astype(np.float64) - TONE
    assert np.corrcoef(added[:1600], added[1600:3200])[0, 1] > 0.99
    assert np.std(added[-1600:]) == pytest.approx(np.std(added[:1600]), rel=0.05)


def test_broken_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF0000")
    with pytest.raises(AugmentationError, match=r"recording of noise cannot be read: .*broken\.wav"):
        chain(tmp_path).apply(TONE, RATE, 0, DRAWS)


def test_constant_offset_of_a_recording_is_not_noise(tmp_path: Path) -> None:
    recording = 0.3 + np.random.default_rng(0).uniform(-0.01, 0.01, 2 * RATE)
    soundfile.write(tmp_path / "cafe.wav", recording, RATE, subtype="FLOAT")
    made = chain(tmp_path)
    added = made.apply(TONE, RATE, 0, DRAWS).astype(np.float64) - TONE
    heard = 10 * np.log10(0.02 / np.var(added))
    assert heard == pytest.approx(made.drawn(0, DRAWS)["noise_files"]["snr_db"][0], abs=0.05)
