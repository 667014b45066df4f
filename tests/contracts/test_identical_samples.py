"""Training, prediction and Python read the same samples, bit for bit, from any file."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soritune.audio.preprocessing import Preprocessing
from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.draws import Draws
from soritune.geometry import Geometry
from soritune.inference.ensemble import Member
from soritune.inference.predictor import Predictor
from soritune.tasks.emotion import EmotionConfig, EmotionTask
from soritune.training.batches.collate import Collator

av = pytest.importorskip("av", reason="the extra 'audio' is not installed")

TASK = EmotionTask(EmotionConfig(labels=("calm", "tense")))
FILES = ("48k stereo.wav", "a.mp3", "16k.flac", "a.m4a")


def sound(seconds: float, rate: int) -> NDArray[np.float32]:
    """Syllables of a gliding tone below 3 kHz over a little hiss, alike at every rate."""
    time = np.arange(round(seconds * rate)) / rate
    glide = np.sin(2 * np.pi * (300 * time + 40 * time**2)) + 0.4 * np.sin(2 * np.pi * 1900 * time)
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time)
    hiss = np.interp(
        time, np.arange(0, seconds + 1, 1 / 6000), HISS[: len(np.arange(0, seconds + 1, 1 / 6000))]
    )
    return (0.2 * glide * syllables + 0.003 * hiss).astype(np.float32)


HISS = np.random.default_rng(5).standard_normal(6000 * 40)


def write_m4a(path: Path, waveform: NDArray[np.float32], rate: int) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        stream.bit_rate = 192_000
        for start in range(0, len(waveform), 1024):
            frame = av.AudioFrame.from_ndarray(waveform[None, start : start + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_all(folder: Path, seconds: float) -> list[Path]:
    """One sound in four formats; the stereo file's second channel is half as loud."""
    paths = [folder / name for name in FILES]
    stereo = np.stack([sound(seconds, 48000), 0.5 * sound(seconds, 48000)], axis=1)
    soundfile.write(paths[0], stereo / 0.75, 48000, subtype="PCM_24")
    soundfile.write(
        paths[1], sound(seconds, 44100), 44100, format="MP3", bitrate_mode="CONSTANT", compression_level=0.0
    )
    soundfile.write(paths[2], sound(seconds, 16000), 16000)
    write_m4a(paths[3], sound(seconds, 44100), 44100)
    return paths


class Recorder:
    """A backend that records its input."""

    padded_seconds = 1.0

    def __init__(self) -> None:
        self.clips: list[NDArray[np.float32]] = []

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        for line, length in zip(inputs["waveform"], inputs["num_samples"], strict=True):
            self.clips.append(np.array(line[:length]))
        rows = len(inputs["waveform"])
        return {"emotion": np.zeros((rows, 2), np.float32), "num_frames": np.ones(rows, np.int64)}


def digest(waveform: NDArray[np.float32]) -> str:
    assert waveform.dtype == np.float32
    return hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).hexdigest()


def in_prediction(preprocessing: Preprocessing, items: Any) -> list[NDArray[np.float32]]:
    recorder = Recorder()
    rows = list(
        Predictor(
            [Member("recorder", {}, (TASK,), preprocessing, Geometry((320,), (320,)), recorder)]
        ).predict(items)
    )
    assert not [row for row in rows if "error" in row]
    return recorder.clips


def in_training(preprocessing: Preprocessing, path: Path, seconds: float) -> NDArray[np.float32]:
    row = Utterance(id="u", audio=path.name, duration_s=seconds, emotion="calm", speaker="s")
    manifest = write_manifest(path.parent / "m.parquet", [row], root=path.parent)
    collator = Collator(manifest, [TASK], preprocessing, num_frames=lambda n: n // 320, hidden_size=8)
    batch = collator(np.array([0]), Draws(0, 0, 0), 0)
    assert not batch.failed
    waveform: NDArray[np.float32] = batch.inputs["waveform"][0, : int(batch.inputs["num_samples"][0])].numpy()
    return waveform


@pytest.mark.parametrize("seconds", [3.0, pytest.param(17.2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("noise_reduction", [True, False])
def test_every_reader_gives_the_same_samples(tmp_path: Path, seconds: float, noise_reduction: bool) -> None:
    if noise_reduction:
        pytest.importorskip("noisereduce", reason="the extra 'denoise' is not installed")
    preprocessing = Preprocessing(max_duration_s=15, noise_reduction=noise_reduction)
    seen = set()
    for path in write_all(tmp_path, seconds):
        expected = digest(preprocessing.load(path))
        # Samples in memory; libsndfile cannot read m4a.
        raw = (
            (read_audio(path, sample_rate_hz=None), 44100)
            if path.suffix == ".m4a"
            else soundfile.read(path, dtype="float32")
        )
        row = Utterance(id="u", audio=path.name, duration_s=seconds, speaker="s")
        manifest = write_manifest(tmp_path / "rows.parquet", [row], root=tmp_path)
        assert digest(in_training(preprocessing, path, seconds)) == expected
        # Beyond max_duration_s prediction continues in windows; the first has the samples of training.
        assert digest(in_prediction(preprocessing, [path])[0]) == expected
        assert digest(in_prediction(preprocessing, [raw])[0]) == expected
        assert digest(in_prediction(preprocessing, manifest)[0]) == expected
        assert digest(preprocessing.apply(*raw)) == expected
        assert len(in_prediction(preprocessing, [path])) == (1 if seconds < 15 else 2)
        seen.add(expected)
    assert len(seen) == len(FILES)  # the formats differ from each other


def test_formats_of_one_sound_are_nearly_the_same(tmp_path: Path) -> None:
    preprocessing = Preprocessing(normalize=False)
    wav, mp3, flac, m4a = (preprocessing.load(path) for path in write_all(tmp_path, 3.0))
    reference = sound(3.0, 16000)
    for waveform, limit in ((wav, 0.002), (flac, 0.0001), (mp3, 0.02), (m4a, 0.02)):
        length = min(len(waveform), len(reference))
        assert abs(len(waveform) - len(reference)) <= 1152  # a frame of a lossy format
        inner = slice(800, length - 800)
        difference = waveform[inner] - reference[inner]
        assert np.sqrt(np.mean(difference**2)) < limit, np.sqrt(np.mean(difference**2))
