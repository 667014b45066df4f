"""Noise is attenuated, the sound is kept, and the settings are checked."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from soritune.audio.noise_reduction import NoiseReduction
from soritune.audio.preprocessing import Preprocessing
from soritune.errors import RecipeError, SorituneError

# find_spec does not import the library, which takes seconds.
pytestmark = pytest.mark.skipif(
    find_spec("noisereduce") is None, reason="the extra 'denoise' is not installed"
)

TIME = np.arange(64000) / 16000
SOUNDING = (TIME * 1.25) % 1 < 0.15


def hiss_and_tone() -> tuple[np.ndarray, np.ndarray]:
    """Four seconds of white noise at -40 dB, and a buzz of 130 Hz that sounds 0.12 s in every 0.8 s."""
    buzz = sum(np.sin(2 * np.pi * 130 * k * TIME) / k for k in range(1, 50))
    hiss = 0.01 * np.random.default_rng(0).standard_normal(64000)
    return hiss.astype(np.float32), np.where(SOUNDING, 0.2 * buzz, 0).astype(np.float32)


def level(waveform: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(waveform.astype(np.float64) ** 2)))


@pytest.mark.parametrize("stationary", [False, True])
def test_noise_in_pauses_is_attenuated_more_than_the_sound(stationary: bool) -> None:
    hiss, tone = hiss_and_tone()
    clean = NoiseReduction(stationary=stationary).apply(hiss + tone, 16000)
    assert clean.dtype == np.float32 and clean.shape == hiss.shape
    pauses = level(hiss[~SOUNDING]) - level(clean[~SOUNDING])
    sound = level(tone[SOUNDING]) - level(clean[SOUNDING])
    assert pauses > 10 and pauses > sound + 6, (pauses, sound)


def test_result_is_deterministic_and_strength_is_a_share() -> None:
    hiss, tone = hiss_and_tone()
    noisy = hiss + tone
    full = NoiseReduction().apply(noisy, 16000)
    assert np.array_equal(full, NoiseReduction().apply(noisy.copy(), 16000))
    half = NoiseReduction(strength=0.5).apply(noisy, 16000)
    # The mask is mixed with ones, and everything after it is linear.
    assert np.abs(half - (full + noisy) / 2).max() < 1e-4
    assert np.abs(NoiseReduction(strength=0).apply(noisy, 16000) - noisy).max() < 1e-5


def test_silence_and_short_clips_are_accepted() -> None:
    assert not NoiseReduction().apply(np.zeros(16000, np.float32), 16000).any()
    short = NoiseReduction().apply(hiss_and_tone()[0][:800], 16000)
    assert short.shape == (800,) and np.isfinite(short).all()


def test_noise_is_reduced_before_normalisation() -> None:
    hiss, tone = hiss_and_tone()
    plain = Preprocessing(normalize=False, noise_reduction=True).apply(hiss + tone, 16000)
    assert np.array_equal(plain, NoiseReduction().apply(hiss + tone, 16000))
    normal = Preprocessing(noise_reduction=True).apply(hiss + tone, 16000)
    assert np.array_equal(normal, Preprocessing().finish(plain))


def test_true_selects_the_defaults_and_false_switches_off() -> None:
    assert Preprocessing(noise_reduction=True).noise_reduction == NoiseReduction()
    assert Preprocessing(noise_reduction=False).noise_reduction is None
    assert Preprocessing(noise_reduction={"strength": 0.5}).noise_reduction == NoiseReduction(strength=0.5)
    chain = Preprocessing(noise_reduction=True, max_duration_s=15)
    assert Preprocessing.model_validate_json(chain.model_dump_json()) == chain
    with pytest.raises(RecipeError, match="strength: .* less than or equal to 1"):
        chain.noise_reduction.strength = 2  # type: ignore[union-attr]


def test_settings_without_the_key_reduce_no_noise() -> None:
    old = {"sample_rate_hz": 16000, "min_duration_s": 0.1, "max_duration_s": 15.0, "normalize": True}
    assert Preprocessing(**old).noise_reduction is None


@pytest.mark.slow
def test_torch_is_not_loaded_and_remains_importable() -> None:
    code = (
        "import sys, numpy as np; from soritune.audio.preprocessing import Preprocessing\n"
        "chain = Preprocessing(noise_reduction=True)\n"
        "chain.apply(np.random.default_rng(0).standard_normal(8000).astype(np.float32), 16000)\n"
        "assert 'torch' not in sys.modules and 'noisereduce' in sys.modules\n"
        "import importlib.util; assert importlib.util.find_spec('torch') is not None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_missing_library_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from soritune.audio import noise_reduction

    noise_reduction._library.cache_clear()
    monkeypatch.setitem(sys.modules, "noisereduce", None)
    with pytest.raises(SorituneError, match=r"pip install 'soritune\[denoise\]'") as caught:
        Preprocessing(noise_reduction=True).apply(hiss_and_tone()[0], 16000)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    noise_reduction._library.cache_clear()
