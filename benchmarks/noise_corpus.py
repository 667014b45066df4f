"""A corpus for speed measurements: FLAC files of speech-like noise with random phones, written once and reused.

Lengths follow a log-normal distribution of read and spontaneous utterances between 0.5 and 15 s, 7 s on average (or
the lengths of a real manifest), so that padding costs as much as on real speech. The content does not affect speed.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.utterance import Utterance

RATE = 16000
PHONES_PER_S = 9.0
PHONES = ("A", "E", "I", "O", "U", "N", "M", "G", "D", "S")
SPEAKERS = 20


def durations(clips: int, *, scale: float, seed: int, real: Path | None) -> NDArray[np.float64]:
    """(clips,) lengths in seconds."""
    rng = np.random.default_rng(seed)
    if real is not None:
        drawn = rng.choice(load_manifest(real).durations_s, size=clips)
    else:
        drawn = np.clip(np.exp(rng.normal(np.log(6.2), 0.55, size=clips)), 0.5, 15.0)
    return np.maximum(np.round(drawn * scale, 3), 0.15)


def make_corpus(
    folder: Path,
    clips: int,
    *,
    scale: float = 1.0,
    seed: int = 0,
    real: Path | None = None,
    copies: int = 1,
) -> Manifest:
    """The corpus in `folder`; written only if the folder does not hold the same corpus.

    The manifest repeats every file `copies` times, for epochs longer than the files.
    """
    requested = {"clips": clips, "scale": scale, "seed": seed, "real": None if real is None else str(real)}
    settings_file, path = folder / "asked.json", folder / "manifest.parquet"
    if settings_file.exists() and json.loads(settings_file.read_text(encoding="utf-8")) == requested:
        return _copied(load_manifest(path), copies)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    lengths = durations(clips, scale=scale, seed=seed, real=real)
    jobs = [(str(folder / "audio" / f"{i:06d}.flac"), float(s), seed + i) for i, s in enumerate(lengths)]
    if len(jobs) < 300:
        samples = [_write(job) for job in jobs]
    else:
        with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
            samples = list(pool.map(_write, jobs, chunksize=16))
    rows = [
        Utterance(
            id=f"noise-{i:06d}",
            audio=f"audio/{i:06d}.flac",
            duration_s=count / RATE,
            sample_rate_hz=RATE,
            speaker=f"speaker-{i % SPEAKERS:02d}",
            phones=_phones(count / RATE, seed + i),
            source="noise",
        )
        for i, count in enumerate(samples)
    ]
    manifest = write_manifest(path, rows, root=folder)
    settings_file.write_text(json.dumps(requested), encoding="utf-8")
    return _copied(manifest, copies)


def _copied(manifest: Manifest, copies: int) -> Manifest:
    if copies == 1:
        return manifest
    rows = [replace(row, id=f"{row.id}-{n}") for n in range(copies) for row in manifest]
    return write_manifest(manifest.root / f"manifest-{copies}.parquet", rows, root=manifest.root)


def _phones(seconds: float, seed: int) -> tuple[str, ...]:
    """Random phones; neighbours always differ, so that every label fits its frames."""
    rng = np.random.default_rng((seed, 1))
    steps = rng.integers(1, len(PHONES), size=max(1, int(seconds * PHONES_PER_S)))
    return tuple(PHONES[i] for i in np.cumsum(steps) % len(PHONES))


def _write(job: tuple[str, float, int]) -> int:
    """Writes noise with the spectral slope of speech in syllables of a quarter of a second; returns its samples."""
    path, seconds, seed = job
    rng = np.random.default_rng((seed, 0))
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= 1.0 + (np.fft.rfftfreq(count, 1 / RATE) / 500.0) ** 1.5
    wave = np.fft.irfft(spectrum, count)
    time = np.arange(count) / RATE
    wave *= 0.15 + np.abs(np.sin(np.pi * 2.0 * time + rng.uniform(0, np.pi)))
    soundfile.write(path, 0.3 * wave / (np.abs(wave).max() + 1e-9), RATE, subtype="PCM_16")
    return count
