"""Copies of a recording that have other samples are found; other recordings are not, even of the same sentence."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from soritune.audio.channels import Float32Array
from soritune.audio.waveform import read_audio
from soritune.corpus.sound_likeness import LENGTH_S, THRESHOLD, alike, likeness

Change = Callable[[Float32Array], Float32Array]


def cosine(first: Float32Array, second: Float32Array) -> float:
    a, b = (likeness(samples).astype(float) for samples in (first, second))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def encoded(samples: Float32Array, kind: str, subtype: str | None = None) -> Float32Array:
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format=kind, subtype=subtype)
    file.seek(0)
    decoded: Float32Array = soundfile.read(file, dtype="float32")[0]
    return decoded


CHANGES: dict[str, Change] = {
    "mp3": lambda x: encoded(x, "MP3"),
    "vorbis": lambda x: encoded(x, "OGG"),
    "mu-law": lambda x: encoded(x, "WAV", "ULAW"),
    "half the level": lambda x: x / 2,
    "opposite polarity": lambda x: -x,
    "offset": lambda x: x + np.float32(0.001),
    "cut by 5 samples": lambda x: x[5:],
    "10 ms of silence before it": lambda x: np.pad(x, (160, 0)),
    "over 48 kHz": lambda x: soxr.resample(soxr.resample(x, 16000, 48000), 48000, 16000),
}


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> list[Float32Array]:
    """Three sentences of two actors in four emotions, and read speech."""
    folder = shared_data / "ko_emotion_selvas" / "audio"
    names = [
        f"{actor}00{emotion}0{n}.flac" for actor in ("emf", "emg") for emotion in range(4) for n in (1, 3, 5)
    ]
    read = sorted((shared_data / "ko_speech_selvas" / "audio").iterdir())[:16]
    return [read_audio(path, sample_rate_hz=16000) for path in [folder / name for name in names] + read]


@pytest.mark.parametrize("change", CHANGES)
def test_copies_sound_alike(clips: list[Float32Array], change: str) -> None:
    values = np.array([cosine(clip, CHANGES[change](clip)) for clip in clips])
    assert np.mean(values >= THRESHOLD) >= 0.95, values


def test_one_sentence_said_twice_does_not_sound_alike(clips: list[Float32Array]) -> None:
    near = [cosine(a, b) for a, b in combinations(clips, 2) if abs(len(a) - len(b)) <= LENGTH_S * 16000]
    assert len(near) > 50 and max(near) < 0.94


def test_silence_sounds_like_nothing() -> None:
    for samples in (np.zeros(16000), np.full(16000, 0.25), np.zeros(10), np.full(16000, 1e-12)):
        assert not likeness(samples.astype(np.float32)).any()


def test_pairs_are_found_among_rows_and_with_others() -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(-127, 128, (3000, 256)).astype(np.int8)
    lengths = rng.uniform(1, 20, 3000)
    rows[2999], lengths[2999] = rows[7] // 2, lengths[7] + 0.2  # the same at another level
    rows[2998], lengths[2998] = rows[8], lengths[8] + 0.4  # of another length
    rows[5] = rows[6] = 0
    lengths[5] = lengths[6]
    pairs = alike(rows, lengths)
    assert sorted([int(pairs.first[0]), int(pairs.second[0])]) == [7, 2999] and len(pairs.first) == 1
    pairs = alike(rows[2990:], lengths[2990:], rows[:2990], lengths[:2990])
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([9], [7])
    assert (
        len(alike(rows[:0], lengths[:0]).first) == len(alike(rows, lengths, rows[:0], lengths[:0]).first) == 0
    )


def test_pairs_beyond_the_largest_number_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.ones((50, 256), dtype=np.int8)
    every = alike(rows, np.full(50, 1.0))
    assert len(every.first) == 50 * 49 // 2 and every.num_more == 0 and (every.first != every.second).all()
    monkeypatch.setattr("soritune.corpus.sound_likeness.MOST_PAIRS", 100)
    monkeypatch.setattr("soritune.corpus.sound_likeness._BLOCK", 8)
    pairs = alike(rows, np.full(50, 1.0))
    assert len(pairs.first) == len(pairs.second) == 100 and pairs.num_more == 1125
    pairs = alike(rows, np.full(50, 1.0), rows[:10], np.full(10, 1.0))
    assert len(pairs.first) == 100 and pairs.num_more == 400


def test_memory_does_not_grow_with_the_rows_of_one_length() -> None:
    rows = np.random.default_rng(0).integers(-60, 60, (10_000, 256)).astype(np.int8)
    tracemalloc.start()
    assert len(alike(rows, np.full(10_000, 1.0)).first) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # one block of 1,024 rows against all others would be 41 MB


def test_blocks_of_frames_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).standard_normal(40000).astype(np.float32) * np.float32(0.1)
    expected = likeness(samples)
    monkeypatch.setattr("soritune.corpus.sound_likeness._FRAMES", 10**6)
    assert expected.any() and np.abs(likeness(samples).astype(int) - expected).max() <= 1  # rounding
