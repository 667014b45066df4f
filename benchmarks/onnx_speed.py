"""How much faster a model is as an ONNX graph, and what int8 costs.

    python benchmarks/onnx_speed.py speed --models base tiny-ko mel-base --seconds 2 10 --threads 1 2 --json speed.json
    python benchmarks/onnx_speed.py quality MANIFEST --model soritune/tiny-ko --rows 200 --json quality.json

`speed` exports each model once and measures one clip at a time: the forward pass of PyTorch in float32 ("eager"), and
ONNX Runtime with float32 and with int8 weights. Each number of threads is a process of its own, where the arms take
turns call by call. The fastest call of each counts, and the load of the machine is in the result. Models: a name or
folder of a bundle; "base" has the shape of wav2vec2-base with a CTC head, "mel-base" that of Whisper's base encoder,
both with random weights, so that only their speed and size mean anything; "toy" is small, to try the program.

`quality` scores the float32 and the int8 graph on rows with references and prints the difference of the primary rate
with its 95 % interval, paired over speakers.

The flags of the CPU that matter for int8 are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
ARMS = ("eager", "float32", "int8")
RATE_HZ = 16000
PAUSE_S = 0.02
"""Before each call, so that threads of the last one that still spin do not slow it."""


def flags() -> list[str]:
    """Those of this CPU."""
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [flag for flag in FLAGS if flag in words]


def random_bundle(name: str, folder: Path) -> Path:
    """A bundle of a shape with random weights."""
    from soritune.audio.preprocessing import Preprocessing
    from soritune.models.build import build_model
    from soritune.models.config import ModelConfig
    from soritune.models.saving import save_bundle
    from soritune.tasks.task import make_task
    from soritune.testing import tiny_config

    shapes: dict[str, dict[str, Any]] = {
        "base": {"model_type": "wav2vec2"},
        "mel-base": {
            "model_type": "whisper", "d_model": 512, "encoder_layers": 6, "encoder_attention_heads": 8,
            "encoder_ffn_dim": 2048, "num_mel_bins": 80,
        },
        "toy": tiny_config(),
    }  # fmt: skip
    task = make_task("phoneme", {})
    model = build_model(
        ModelConfig(encoder=name, architecture=shapes[name], random_weights=True), task.outputs, seed=0
    )
    return save_bundle(model, folder / name, tasks=[task], preprocessing=Preprocessing()).path


def measure(folders: dict[str, str], lengths: Sequence[float], rounds: int) -> list[dict[str, float]]:
    """For each length in seconds, the seconds of the fastest call of each arm. Arms take turns, call by call."""
    from soritune.inference.backends.backend import OpenBackend
    from soritune.registry import load_member

    backends = {}
    for arm, folder in folders.items():
        name = "pytorch" if arm == "eager" else "onnx-runtime"
        opener: OpenBackend = load_member("soritune.inference.backends", "BACKEND", name, "backend")
        backends[arm] = opener(Path(folder), device="cpu")
    results = []
    for seconds in lengths:
        length = round(seconds * RATE_HZ)
        waveform = np.random.default_rng(0).standard_normal((1, length)).astype(np.float32)
        inputs = {"waveform": waveform, "num_samples": np.array([length])}
        best = dict.fromkeys(backends, float("inf"))
        for _ in range(rounds + 1):  # the first of them fills caches
            for arm, backend in backends.items():
                time.sleep(PAUSE_S)
                start = time.perf_counter()
                backend.run(inputs)
                best[arm] = min(best[arm], time.perf_counter() - start)
        results.append(best)
    return results


def in_process(
    folders: dict[str, str], lengths: Sequence[float], threads: int, rounds: int
) -> list[dict[str, float]]:
    """`measure` in a process with this number of threads."""
    words = [sys.executable, __file__, "arms", json.dumps(folders), json.dumps(lengths), str(rounds)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    results: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return results


def speed(options: argparse.Namespace) -> dict[str, Any]:
    from soritune.bundles.packaged import resolve_model_folder
    from soritune.progress import Console
    from soritune.stages.export import export

    results = []
    with tempfile.TemporaryDirectory() as work:
        for name in options.models:
            known = name in ("base", "mel-base", "toy")
            bundle = random_bundle(name, Path(work)) if known else resolve_model_folder(name)
            settings = {"padded": False, "older": options.older}
            folder = Path(work) / Path(name).name
            folders = {
                "eager": bundle,
                "float32": export("onnx", bundle, f"{folder}-float32", settings).folder,
                "int8": export(
                    "onnx", bundle, f"{folder}-int8", {**settings, "int8": True, "force": True}
                ).folder,
            }
            sizes = {
                arm: round((each / "model.onnx").stat().st_size / 1e6, 1)
                for arm, each in folders.items()
                if arm != "eager"
            }
            paths = {arm: str(each) for arm, each in folders.items()}
            for threads in options.threads:
                measured = in_process(paths, options.seconds, threads, options.rounds)
                for seconds, best in zip(options.seconds, measured, strict=True):
                    row = {
                        "model": name, "threads": threads, "seconds": seconds, "mb": sizes,
                        "ms": {arm: round(1000 * value, 2) for arm, value in best.items()},
                        "faster": {arm: round(best["eager"] / best[arm], 2) for arm in ARMS[1:]},
                        "load": round(os.getloadavg()[0], 1),
                    }  # fmt: skip
                    Console().message(json.dumps(row))
                    results.append(row)
    return {"machine": platform.processor() or platform.machine(), "flags": flags(), "rows": results}


def quality(options: argparse.Namespace) -> dict[str, Any]:
    from soritune.corpus.manifest import load_manifest
    from soritune.export.judged_int8 import costs
    from soritune.progress import Console
    from soritune.stages.export import export

    rows = load_manifest(options.manifest, root=options.root)
    if options.rows:
        rows = rows.select(np.arange(0, len(rows), max(len(rows) // options.rows, 1))[: options.rows])
    settings = {"padded": False, "older": options.older}
    with tempfile.TemporaryDirectory() as work:
        float32 = export("onnx", options.model, Path(work) / "float32", settings).folder
        int8 = {"int8": True, "force": True, "keep_float32": options.keep_float32}
        small = export("onnx", options.model, Path(work) / "int8", {**settings, **int8}).folder
        measured = costs(float32, small, rows, Path(work), Console())
    return {"model": options.model, "flags": flags(), "costs": [cost.to_json() for cost in measured]}


def main() -> None:
    if sys.argv[1:2] == ["arms"]:
        folders, lengths, rounds = sys.argv[2:]
        print(json.dumps(measure(json.loads(folders), json.loads(lengths), int(rounds))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    fast = verbs.add_parser("speed")
    fast.add_argument("--models", nargs="+", default=["base", "soritune/tiny-ko", "mel-base"])
    fast.add_argument("--seconds", nargs="+", type=float, default=[2.0, 10.0])
    fast.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    fast.add_argument("--rounds", type=int, default=15, help="calls of each arm")
    good = verbs.add_parser("quality")
    good.add_argument("manifest", type=Path)
    good.add_argument("--model", default="soritune/tiny-ko")
    good.add_argument("--root", type=Path)
    good.add_argument("--rows", type=int, default=0, help="0 takes all")
    good.add_argument("--keep-float32", nargs="*", default=[])
    for each in (fast, good):
        each.add_argument("--older", action="store_true", help="PyTorch's older exporter")
        each.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = speed(options) if options.verb == "speed" else quality(options)
    if options.json:
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
