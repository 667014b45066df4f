"""The cost of augmentation: seconds of audio per second of CPU time, and the plan of an epoch of a large corpus.

    OMP_NUM_THREADS=1 python benchmarks/augmentation.py

Applies every waveform augmentation with probability 1 to harmonic clips of 4 s at 16 kHz and takes the median of five
rounds. Then draws the speed factors of 1,771,800 rows for a chain of all augmentations.
"""

from __future__ import annotations

import json
import statistics
import time

import numpy as np

from soritune.audio.augment.augmentation import Augmentation
from soritune.audio.augment.chain import Chain
from soritune.audio.augment.settings import kinds
from soritune.draws import Draws

RATE, SECONDS, CLIPS, ROWS = 16000, 4.0, 50, 1_771_800
DRAWS = Draws(0, 0, 0)


def clip() -> np.ndarray:
    times = np.arange(round(SECONDS * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 150 * k * times) / k for k in range(1, 9))
    return (0.1 * voice * (np.sin(2 * np.pi * 2 * times) > -0.5)).astype(np.float32)


def audio_seconds_per_second(chain: Chain, samples: np.ndarray) -> float:
    rounds = []
    for _ in range(5):
        started = time.process_time()
        for row in range(CLIPS):
            chain.apply(samples, RATE, row, DRAWS)
        rounds.append(CLIPS * SECONDS / (time.process_time() - started))
    return statistics.median(rounds)


def main() -> None:
    samples = clip()
    classes = {key: kind for key, kind in kinds().items() if issubclass(kind, Augmentation)}
    members = {key: kind.model_validate({"probability": 1}) for key, kind in classes.items()}
    audio_s_per_s = {
        key: audio_seconds_per_second(Chain({key: member}), samples) for key, member in members.items()
    }
    audio_s_per_s["all"] = audio_seconds_per_second(Chain(members), samples)
    rows = np.arange(ROWS)
    rounds = []
    for _ in range(5):
        started = time.process_time()
        Chain(members).speed_factors(rows, DRAWS)
        rounds.append(time.process_time() - started)
    plan = {"rows": ROWS, "speed_factors_s": round(statistics.median(rounds), 3)}
    print(
        json.dumps(
            {"audio_s_per_s": {key: round(value) for key, value in audio_s_per_s.items()}, **plan}, indent=1
        )
    )


if __name__ == "__main__":
    main()
