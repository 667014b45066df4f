"""How long models take for ten minutes of speech, and how much memory, side by side.

    OMP_NUM_THREADS=1 python benchmarks/predict_speed.py CLIPS --models soritune/tiny-ko soritune/ko-base --ct2 FOLDER

The clips of the folder are joined to one recording. Each arm is a process of its own that opens the model, runs it once
on 20 s to warm up, and is then measured on the whole recording; the arms take turns, and the fastest round counts.

    a name or a bundle     `Predictor.predict` of soritune: decoding of the file, windows, model, phones
    ct2                    the peer: the encoder of faster-whisper (CTranslate2) over 30 s of log-mel at a time, as it
                           pads them, without decoder; `--ct2` is its folder and `--compute` its number format

Real-time factor: seconds of computation for a second of speech. Memory: the largest resident set of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from soritune.audio.waveform import read_audio, write_audio

RATE_HZ = 16000
WARM_UP_S = 20.0
PEER = "ct2"
WINDOW_S = 30
SUFFIXES = (".flac", ".wav", ".opus")


def recording(folder: Path, minutes: float, target: Path) -> float:
    """Joins clips to one file; returns its seconds."""
    parts: list[Any] = []
    total = 0
    for file in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES):
        if total >= minutes * 60 * RATE_HZ:
            break
        parts.append(read_audio(file, sample_rate_hz=RATE_HZ))
        total += len(parts[-1])
    if not parts:
        sys.exit(f"{folder} has no {', '.join(SUFFIXES)}")
    samples = np.concatenate(parts)[: round(minutes * 60 * RATE_HZ)]
    write_audio(target, samples, RATE_HZ)
    return len(samples) / RATE_HZ


def product(model: str) -> Callable[[Path], None]:
    """A call of soritune's predictor."""
    from soritune.inference.predictor import Predictor

    predictor = Predictor.load(model, device="cpu", vad="off")
    return lambda file: print(len(list(predictor.predict([file]))), file=sys.stderr)


def peer(folder: str, compute: str) -> Callable[[Path], None]:
    """The encoder of faster-whisper over a file."""
    from faster_whisper import WhisperModel
    from faster_whisper.audio import pad_or_trim

    model = WhisperModel(folder, device="cpu", compute_type=compute, cpu_threads=1)

    def run(file: Path) -> None:
        samples = read_audio(file, sample_rate_hz=RATE_HZ)
        for start in range(0, len(samples), WINDOW_S * RATE_HZ):
            features = model.feature_extractor(samples[start : start + WINDOW_S * RATE_HZ])
            model.encode(pad_or_trim(features))

    return run


def measure(arm: str, file: Path, short: Path, options: argparse.Namespace) -> dict[str, float]:
    """Seconds and memory of one arm in this process."""
    run = peer(options.ct2, options.compute) if arm == PEER else product(arm)
    run(short)
    before = time.perf_counter()
    run(file)
    seconds = time.perf_counter() - before
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "memory_mb": kilobytes / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", default=["soritune/tiny-ko"])
    parser.add_argument("--ct2", help="CTranslate2 folder of the peer; left out without it")
    parser.add_argument("--compute", default="int8")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm:
        print(json.dumps(measure(options.arm, options.file, options.file.with_name("short.wav"), options)))
        return
    arms = [*options.models, *([PEER] if options.ct2 else [])]
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "recording.wav"
        seconds = recording(options.folder, options.minutes, file)
        recording(options.folder, min(WARM_UP_S / 60, options.minutes), file.with_name("short.wav"))
        for _ in range(options.rounds):
            for arm in arms:
                command = [sys.executable, "-W", "ignore", __file__, str(options.folder), "--arm", arm]
                command += ["--file", str(file), "--compute", options.compute]
                command += ["--ct2", options.ct2] if options.ct2 else []
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(f"{arm}: {done.stderr.strip().splitlines()[-1] if done.stderr else 'failed'}")
                results[arm].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{seconds:.0f} s of speech, fastest of {options.rounds} rounds")
    print("| model | seconds | real-time factor | times real time | memory |\n|---|---|---|---|---|")
    best = {arm: min(rounds, key=lambda each: each["seconds"]) for arm, rounds in results.items()}
    for arm, fastest in best.items():
        spent = fastest["seconds"]
        print(
            f"| {arm} | {spent:.1f} | {spent / seconds:.4f} | {seconds / spent:.0f} | {fastest['memory_mb']:.0f} MB |"
        )
    if options.json:
        options.json.write_text(json.dumps({"seconds": seconds, "arms": results}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
