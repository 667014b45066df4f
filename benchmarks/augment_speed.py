"""The cost of augmentation: seconds of audio per second of CPU time on one core, beside audiomentations.

    OMP_NUM_THREADS=1 python benchmarks/augment_speed.py

Every member of `audio/augment/` is applied with probability 1 to harmonic clips of 4 s at 16 kHz: augmentations of the
waveform one clip at a time, masks and mixing to batches of 8 clips. `chain` is the choice among eight of the recipe
emotion-3class with its own probabilities, and `all` every augmentation of the waveform in sequence. The members of
audiomentations with the same purpose are measured in the same rounds if the library is installed. The figure is the
median of the rounds. Then the speed factors of an epoch of 1,771,800 rows are drawn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.chain import Chain
from soritune.audio.augment.mixing import MixableBatch
from soritune.audio.augment.recordings import RecordedSounds
from soritune.audio.augment.selection import Selection
from soritune.audio.augment.settings import kinds
from soritune.draws import Draws
from soritune.recipe import load_recipe

RATE, SECONDS, BATCH, ROWS = 16000, 4.0, 8, 1_771_800
FRAMES, CHANNELS = 199, 1024
"""Of a clip of 4 s in the large encoders."""
DRAWS = Draws(0, 0, 0)


def clip() -> np.ndarray:
    times = np.arange(round(SECONDS * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 9))
    return (0.1 * voice * (np.sin(2 * np.pi * 2 * times) > -0.5)).astype(np.float32)


def sounds(folder: Path) -> Path:
    """Ten recordings of noise of 10 s, each beginning with a decay like that of a room."""
    rng = np.random.default_rng(0)
    decay = np.maximum(np.exp(-np.arange(10 * RATE) / (0.1 * RATE)), 0.05)
    for number in range(10):
        soundfile.write(folder / f"{number}.wav", 0.2 * decay * rng.standard_normal(10 * RATE), RATE)
    return folder


def work_of_members(samples: np.ndarray, folder: Path) -> dict[str, Callable[[int], Any]]:
    """A function of the row per member; it does the work of one clip."""
    work: dict[str, Callable[[int], Any]] = {}
    everything: dict[str, Any] = {}
    batch = MixableBatch(
        np.tile(samples, (BATCH, 1)),
        np.full(BATCH, len(samples)),
        {"emotion": np.eye(BATCH, 4, dtype=np.float32)},
        {"emotion": np.ones(BATCH, dtype=bool)},
    )
    for key, kind in kinds().items():
        if issubclass(kind, Selection):
            continue
        settings: dict[str, Any] = {"probability": 1}
        if issubclass(kind, RecordedSounds):
            settings["folder"] = str(folder)
        chain = Chain({key: kind.model_validate(settings)})
        if issubclass(kind, Augmentation):
            everything[key] = chain.waveform[key]
            work[key] = lambda row, chain=chain: chain.apply(samples, RATE, row, DRAWS)
        else:
            work[key] = lambda row, chain=chain: features_and_batches(chain, batch, row)
    recipe = Chain.of(load_recipe("emotion-3class").augment)
    work["chain"] = lambda row: whole_chain(recipe, samples, batch, row)
    work["all"] = lambda row: Chain(everything).apply(samples, RATE, row, DRAWS)
    return work


def features_and_batches(chain: Chain, batch: MixableBatch, row: int) -> None:
    """The masks or the mixing of a batch, once in `BATCH` calls."""
    if row % BATCH == 0:
        visits = np.arange(row, row + BATCH)
        chain.masks(visits, np.full(BATCH, FRAMES), CHANNELS, DRAWS)
        if chain.mixing:
            chain.mix(batch, DRAWS, row // BATCH, visits)


def whole_chain(chain: Chain, samples: np.ndarray, batch: MixableBatch, row: int) -> None:
    chain.apply(samples, RATE, row, DRAWS)
    features_and_batches(chain, batch, row)


def work_of_peer(samples: np.ndarray, folder: Path) -> dict[str, Callable[[int], Any]]:
    """The members of audiomentations with the same purpose; none if it is not installed."""
    try:
        import audiomentations as peer
    except ImportError:
        return {}
    noise, snr = str(folder), {"min_snr_db": 5, "max_snr_db": 30, "p": 1}
    made: dict[str, Callable[[], Any]] = {
        "gaussian_noise": lambda: peer.AddGaussianSNR(**snr),
        "noise": lambda: peer.AddColorNoise(**snr),
        "noise_files": lambda: peer.AddBackgroundNoise(sounds_path=noise, **snr),
        "room_files": lambda: peer.ApplyImpulseResponse(ir_path=noise, p=1),
        "room": lambda: peer.RoomSimulator(p=1),
        "stretch": lambda: peer.TimeStretch(min_rate=0.8, max_rate=1.2, leave_length_unchanged=False, p=1),
        "pitch": lambda: peer.PitchShift(min_semitones=-2, max_semitones=2, p=1),
        "gain": lambda: peer.Gain(min_gain_db=-6, max_gain_db=3.5, p=1),
        "random_erase": lambda: peer.TimeMask(min_band_part=0.02, max_band_part=0.2, p=1),
        "codec": lambda: peer.Mp3Compression(min_bitrate=8, max_bitrate=80, p=1),
        "microphone": lambda: peer.SevenBandParametricEQ(p=1),
        "loudness": lambda: peer.LoudnessNormalization(p=1),
    }
    work: dict[str, Callable[[int], Any]] = {}
    for key, make in made.items():
        try:
            transform = make()
            transform(samples=samples, sample_rate=RATE)
        except Exception:  # a library that this member of the peer needs is missing
            continue
        work[key] = lambda _, transform=transform: transform(samples=samples, sample_rate=RATE)
    return work


def audio_seconds_per_second(
    work: dict[str, Callable[[int], Any]], clips: int, rounds: int
) -> dict[str, int]:
    """The rounds of all members are interleaved, so that a busy moment of the machine does not hit one alone."""
    figures: dict[str, list[float]] = {key: [] for key in work}
    for _ in range(rounds):
        for key, apply in work.items():
            started = time.process_time()
            for row in range(clips):
                apply(row)
            figures[key].append(clips * SECONDS / max(time.process_time() - started, 1e-6))
    return {key: round(statistics.median(values)) for key, values in figures.items()}


def plan_seconds(rows: int, rounds: int) -> float:
    """CPU seconds to draw the speed factors of an epoch for all augmentations that change the length."""
    chain = Chain.of({"stretch": {}, "speed": {}, "one_of": {"among": {"stretch": {}, "gain": {}}}})
    figures = []
    for _ in range(rounds):
        started = time.process_time()
        chain.speed_factors(np.arange(rows), DRAWS)
        figures.append(time.process_time() - started)
    return round(statistics.median(figures), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=48, help="clips in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the planned epoch")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    samples = clip()
    with tempfile.TemporaryDirectory() as folder:
        recordings = sounds(Path(folder))
        ours, peer = work_of_members(samples, recordings), work_of_peer(samples, recordings)
        both = ours | {f"audiomentations {key}": work for key, work in peer.items()}
        figures = audio_seconds_per_second(both, arguments.clips, arguments.rounds)
    result = {
        "audio_s_per_s": {key: figures[key] for key in ours},
        "audiomentations": {key: figures[f"audiomentations {key}"] for key in peer},
        "rows": arguments.rows,
        "speed_factors_s": plan_seconds(arguments.rows, arguments.rounds),
    }
    for key in ours:
        beside = result["audiomentations"].get(key, "")
        print(f"{key:16} {result['audio_s_per_s'][key]:>8,} {beside:>8}")
    print(json.dumps(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
