"""Memory of labels for a stereo recording of an hour: it must not grow with the length.

    python benchmarks/call_memory.py [--minutes 10 60] [--window-s 5] [--hop-s 2.5] [--rate 8000]

Writes recordings of the given lengths, in which two channels of modulated noise take turns, and predicts both channels
with `--channel each` in processes of their own, by the encoder of `soritune/tiny-ko` with an untrained head. Prints
the largest resident memory of each, that after loading the model, and the seconds taken, as JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import soundfile

from soritune.audio.preprocessing import Preprocessing
from soritune.bundles.packaged import resolve_model_folder
from soritune.inference.predictor import Predictor
from soritune.models.build import build_model
from soritune.models.config import ModelConfig
from soritune.models.saving import save_bundle
from soritune.tasks.task import make_task

TURN_S = 10


def write_call(path: Path, minutes: float, rate: int) -> None:
    """Turns of ten seconds, left and right in alternation, at a syllable's rhythm."""
    rng = np.random.default_rng(0)
    rhythm = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(TURN_S * rate) / rate)
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as sound:
        for turn in range(round(minutes * 60 / TURN_S)):
            samples = 1e-4 * rng.standard_normal((TURN_S * rate, 2))
            samples[:, turn % 2] += 0.2 * rhythm * rng.uniform(-1, 1, TURN_S * rate)
            sound.write(samples)


def save_model(folder: Path) -> Path:
    """A bundle of the package's encoder with an untrained head for three labels."""
    task = make_task("emotion", {"labels": ["calm", "tense", "warm"]})
    model = build_model(
        ModelConfig(encoder=str(resolve_model_folder("soritune/tiny-ko"))), task.outputs, seed=0
    )
    return save_bundle(model, folder, tasks=[task], preprocessing=Preprocessing()).path


def peak_mib() -> float:
    """Of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(bundle: Path, call: Path, window_s: float, hop_s: float) -> dict[str, float]:
    """Predicts one recording in a process of its own."""
    predictor = Predictor.load(bundle, device="cpu", vad="energy", window_s=window_s, hop_s=hop_s)
    (_,) = predictor.predict((np.random.default_rng(0).uniform(-0.1, 0.1, 16000 * 5), 16000))
    loaded, begin = peak_mib(), time.monotonic()
    rows = list(predictor.predict({"audio": call, "channel": "each"}))
    return {
        "seconds_of_audio": sum(row["duration_s"] for row in rows),
        "windows": sum(len(row["windows"]) for row in rows),
        "seconds": round(time.monotonic() - begin, 1),
        "loaded_mib": round(loaded),
        "peak_mib": round(peak_mib()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0, 60.0])
    parser.add_argument("--window-s", type=float, default=5.0)
    parser.add_argument("--hop-s", type=float, default=2.5)
    parser.add_argument("--rate", type=int, default=8000)
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        bundle = save_model(Path(folder) / "bundle")
        for minutes in options.minutes:
            call = Path(folder) / f"{minutes:g}.wav"
            write_call(call, minutes, options.rate)
            with ProcessPoolExecutor(1, mp_context=processes) as pool:
                done = pool.submit(measure, bundle, call, options.window_s, options.hop_s).result()
            print(json.dumps({"minutes": minutes, **done}), flush=True)


if __name__ == "__main__":
    main()
