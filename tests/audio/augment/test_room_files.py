"""Convolution with a recorded impulse response, from its direct sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.augment.chain import Chain
from soritune.audio.augment.room_files import RoomFiles
from soritune.draws import Draws
from soritune.errors import AugmentationError

RATE, DRAWS = 16000, Draws(0, 0, 0)
CLIP = np.random.default_rng(0).uniform(-0.3, 0.3, 6000).astype(np.float32)


def chain(folder: Path) -> Chain:
    return Chain({"room_files": RoomFiles(folder=str(folder), probability=1)})


def test_direct_sound_keeps_time_and_level_and_reflections_follow(tmp_path: Path) -> None:
    response = np.zeros(3000)
    response[500], response[700], response[2000] = (
        -0.4,
        0.2,
        0.1,
    )  # 500 samples of silence before the direct sound
    soundfile.write(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    expected = CLIP.astype(np.float64)
    expected[200:] -= 0.5 * CLIP[:-200]
    expected[1500:] -= 0.25 * CLIP[:-1500]
    assert np.allclose(chain(tmp_path).apply(CLIP, RATE, 0, DRAWS), expected, atol=1e-5)


def test_first_channel_is_used(tmp_path: Path) -> None:
    response = np.zeros((100, 2))
    response[0], response[50] = (1.0, -1.0), (0.0, 0.5)
    soundfile.write(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    assert np.allclose(chain(tmp_path).apply(CLIP, RATE, 0, DRAWS), CLIP, atol=1e-5)


def test_silent_or_broken_response_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "hall.wav", np.zeros(100), RATE)
    with pytest.raises(AugmentationError, match=r"impulse response .*hall\.wav is silent"):
        chain(tmp_path).apply(CLIP, RATE, 0, DRAWS)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(AugmentationError, match=r"impulse response cannot be read: .*broken\.wav"):
        chain(tmp_path / "b").apply(CLIP, RATE, 0, DRAWS)
