"""Blocks, windows and speech of a long recording are those of the recording in one piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio import blocks
from soritune.audio.blocks import ActivityOfBlocks, even_blocks, read_blocks, sliding_windows
from soritune.audio.voice_activity import Activity
from soritune.audio.waveform import read_audio
from soritune.errors import AudioError

RNG = np.random.default_rng(0)


def split(samples: np.ndarray, size: int) -> list[np.ndarray]:
    return [samples[at : at + size] for at in range(0, len(samples), size)]


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 8000), ("flac", 44100), ("ogg", 16000)])
@pytest.mark.parametrize("channel", [None, 1])
def test_blocks_together_are_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, rate: int, channel: int | None
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_S", 0.37)
    path = tmp_path / f"call.{suffix}"
    soundfile.write(path, 0.1 * RNG.standard_normal((rate * 3 + 17, 2)), rate)
    parts = list(read_blocks(path, channel=channel))
    assert len(parts) > 5
    np.testing.assert_allclose(np.concatenate(parts), read_audio(path, channel=channel), atol=2e-6)
    part = np.concatenate(list(read_blocks(path, start_s=0.5, duration_s=1.2, channel=channel)))
    whole = read_audio(path, start_s=0.5, duration_s=1.2, channel=channel)
    np.testing.assert_allclose(part, whole, atol=2e-6)


def test_channels_that_cancel_are_refused_over_all_blocks_and_not_in_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_S", 0.5)
    noise = 0.1 * RNG.standard_normal(16000)
    soundfile.write(tmp_path / "bad.wav", np.stack([noise, -noise], axis=1), 16000)
    with pytest.raises(AudioError, match="2 channels that cancel each other"):
        list(read_blocks(tmp_path / "bad.wav"))
    # A hum in opposite phase while neither of two people speaks is in few blocks.
    speech = np.concatenate([3 * RNG.standard_normal(32000) * 0.1, noise[:8000] * 0.1])
    other = np.concatenate([np.zeros(32000), -noise[:8000] * 0.1])
    soundfile.write(tmp_path / "good.wav", np.stack([speech, other], axis=1), 16000)
    np.testing.assert_allclose(
        np.concatenate(list(read_blocks(tmp_path / "good.wav"))), read_audio(tmp_path / "good.wav"), atol=1e-6
    )


def test_truncated_file_is_refused_and_so_is_a_missing_channel(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    with pytest.raises(AudioError, match=r"has 1 channel, so channel 1 \(from 0\) does not exist"):
        list(read_blocks(path, channel=1))
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AudioError, match="truncated"):
        list(read_blocks(path))


@pytest.mark.parametrize("total", [1, 50, 149, 150, 151, 1000, 1049, 1050])
def test_even_blocks_keep_the_samples_and_none_is_short(total: int) -> None:
    samples = np.arange(total, dtype=np.float32)
    parts = list(even_blocks(split(samples, 7), 100))
    np.testing.assert_array_equal(np.concatenate(parts), samples)
    assert all(len(part) == 100 for part in parts[:-1])
    assert len(parts[-1]) >= min(total, 50) and len(parts[-1]) < 150


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_windows_by_hand(size: int) -> None:
    """Rate 10, 2 s every 1.5 s over 6.3 s: samples 0–20, 15–35, 30–50, and the last 20 instead of 45–65."""
    samples = np.arange(63, dtype=np.float32)
    windows = list(sliding_windows(split(samples, size), 2.0, 1.5, 10))
    assert [window.start for window in windows] == [0, 15, 30, 43]
    for window in windows:
        np.testing.assert_array_equal(window.samples, samples[window.start : window.start + 20])


def test_windows_that_fit_and_a_recording_shorter_than_one() -> None:
    samples = np.arange(60, dtype=np.float32)
    assert [w.start for w in sliding_windows([samples], 2.0, 2.0, 10)] == [0, 20, 40]
    (short,) = sliding_windows([samples[:7]], 2.0, 1.0, 10)
    assert (short.start, len(short.samples)) == (0, 7)
    assert list(sliding_windows([], 2.0, 1.0, 10)) == []


def test_starts_are_rounded_without_drift() -> None:
    """A hop of 1/3 s at 10 Hz: 0, 3.33, 6.67, 10 are samples 0, 3, 7, 10."""
    starts = [w.start for w in sliding_windows([np.zeros(24, np.float32)], 1.0, 1 / 3, 10)]
    assert starts[:4] == [0, 3, 7, 10]


def test_speech_over_a_border_of_blocks_counts_as_one_stretch() -> None:
    """0.05 s on each side of a border: 0.1 s is speech, one side of it is not."""
    log = ActivityOfBlocks()
    log.add(0.0, 1.0, Activity(np.arange(40) >= 38, 0.025))
    log.add(1.0, 2.0, Activity(np.arange(40) < 2, 0.025))
    assert log.between(0.5, 1.5).has_speech()
    assert not log.between(0.5, 1.0).has_speech() and not log.between(1.0, 1.5).has_speech()
    assert not log.between(3.0, 4.0).has_speech()
    assert log.between(0.5, 1.5).speech_s() == 0.1
