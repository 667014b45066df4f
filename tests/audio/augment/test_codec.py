"""Coding keeps times and level, removes detail, and more of it at a greater strength."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from soritune.audio.augment import codec
from soritune.audio.augment.chain import Chain
from soritune.audio.augment.codec import Codec
from soritune.draws import Draws
from soritune.errors import AugmentationError

DRAWS = Draws(0, 0, 0)
KINDS = ["mp3", "vorbis", "opus", "adpcm", "gsm"]


def speech(rate: int, seconds: float = 2.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (140 * time + 20 * np.sin(2 * np.pi * 0.7 * time))
    harmonics = [np.sin(k * phase) / k for k in range(1, 24)]
    envelope = np.maximum(np.sin(2 * np.pi * 1.7 * time), 0) ** 0.5
    return (0.2 * envelope * np.sum(harmonics, axis=0)).astype(np.float32)


def coded(kind: str, clip: np.ndarray, rate: int, strength: float = 0.5) -> np.ndarray:
    member = Codec.model_validate({"probability": 1, "kinds": [kind], "strength": (strength, strength)})
    return Chain({"codec": member}).apply(clip, rate, 0, DRAWS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_sound_keeps_its_time_and_level(kind: str, rate: int, strength: float) -> None:
    for seconds in (0.5, 2.0):
        clip = speech(rate, seconds)
        changed = coded(kind, clip, rate, strength)
        assert len(changed) == len(clip)
        correlation = np.fft.irfft(np.fft.rfft(changed, 1 << 18) * np.conj(np.fft.rfft(clip, 1 << 18)))
        lag = int(np.argmax(correlation))
        assert min(lag, (1 << 18) - lag) <= 0.0005 * rate
        assert np.std(changed) == pytest.approx(np.std(clip), rel=0.15)
        assert not np.array_equal(changed, clip)


@pytest.mark.parametrize("kind", ["mp3", "vorbis", "opus"])
def test_greater_strength_removes_more(kind: str) -> None:
    clip = speech(16000) + 0.02 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    lost = [float(np.mean((coded(kind, clip, 16000, strength) - clip) ** 2)) for strength in (0.0, 1.0)]
    assert lost[1] > 1.5 * lost[0]


def test_samples_beyond_full_scale_keep_their_level() -> None:
    clip = 4 * speech(16000)
    assert np.abs(clip).max() > 1.4
    assert np.std(coded("adpcm", clip, 16000)) == pytest.approx(np.std(clip), rel=0.05)


def test_codecs_are_equally_likely() -> None:
    drawn = Codec().draw(DRAWS.for_rows("codec", np.arange(4000)))["kind"]
    counts = {str(kind): int((drawn == kind).sum()) for kind in np.unique(drawn)}
    assert set(counts) == {"mp3", "vorbis", "adpcm", "gsm"}
    assert max(abs(count - 1000) for count in counts.values()) <= 2.576 * np.sqrt(750) * 1.2


def test_codec_that_libsndfile_lacks_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    Chain({"codec": Codec()}).check_usable()
    known: dict[str, Any] = {"WAV": "", "OGG": ""}
    monkeypatch.setattr(codec.soundfile, "available_formats", lambda: known)
    with pytest.raises(AugmentationError, match="cannot write mp3; leave it out of kinds"):
        Chain({"codec": Codec()}).check_usable()
    with pytest.raises(ValidationError, match="name at least one codec"):
        Codec(kinds=())


@pytest.mark.parametrize("kind", ["mp3", "vorbis", "opus", "adpcm", "gsm"])
def test_clipped_recording_does_not_wrap_around(kind: Any) -> None:
    tone = 0.2 * np.sin(2 * np.pi * 310 * np.arange(16000) / 16000)
    clipped = np.clip(20 * tone, -1, 1).astype(np.float32)  # resampling overshoots full scale
    settings = {"kind": np.str_(kind), "strength": 0.0}
    coded = Codec(kinds=(kind,)).apply(clipped, 16000, settings, np.random.default_rng(0))
    assert np.corrcoef(clipped, coded)[0, 1] > 0.85
