"""How fast does one GPU train the children's recipe? XLS-R-300M (random weights), LoRA r=16 on layers 8 to 23, bf16.

    python benchmarks/h200.py                          on a machine with a CUDA GPU; about 15 minutes
    python benchmarks/h200.py --device cpu --tiny      checks that it runs; does not measure speed

First writes two hours of FLAC (speech-like noise with realistic lengths). Then trains with the project's own loop:
loader processes decode, change the speed, normalise and mask, and whole optimizer steps are taken. Each budget of
padded seconds has its own model; budgets that run out of memory are reported and skipped. Warm-up is not timed. The
best budget is then profiled. Evaluation is measured twice: validation as in training (bf16, losses and phone error
rates, logits dropped at once), and the predictor of `soritune evaluate` (float32, every prediction written).

Measures seconds of speech without padding per second, peak memory, the share of time that the loop waits for data, and
kernels by their share of the GPU's time. Files are read repeatedly, so they come from the page cache.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from noise_corpus import make_corpus
from torch.autograd import DeviceType
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import dataloader

from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import make_splits
from soritune.errors import SorituneError
from soritune.recipe import Recipe, check_recipe
from soritune.stages.train import build_run

XLS_R_300M = {
    "model_type": "wav2vec2",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
TINY = {
    **XLS_R_300M,
    "hidden_size": 32,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": [16] * 7,
}
TARGET_AUDIO_S_PER_S = 3000
UTTERANCES, EVALUATION_TARGET_MIN = 114_539, 3.0
PILOT_HOURS, PILOT_PHASES = 136.19, ((0.2, 10), (0.6, 8), (1.0, 5))
"""Hours of the pilot's training split (of 148.86), and per phase its share of them and its epochs."""
FULL_HOURS, FULL_EPOCHS = 3500.0, 3


class Stopwatch:
    """Times the steps of a training from outside, for any training loop.

    It counts after every optimizer step, and synchronises the device before and after the timed steps. A wrapper of the
    loader's iterator records the batches and how long the loop waits for them.
    """

    def __init__(self, device: str, warmup: int, steps: int, profiled: int = 0) -> None:
        self.cuda = device.startswith("cuda")
        self.first, self.last, self.profiled = warmup, warmup + steps, profiled
        self.count = 0
        self.audio_s = self.padded_s = self.waited_s = self.seconds = 0.0
        self.peak_gb = 0.0
        self.profiler: Any = None

    @property
    def total(self) -> int:
        """Number of steps that the training must take."""
        return self.last + self.profiled

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measures while the block runs."""
        iterator = dataloader._BaseDataLoaderIter
        original = iterator.__next__

        def timed(loader: Any) -> Any:
            started = time.perf_counter()
            batch = original(loader)
            self._loaded(batch, time.perf_counter() - started)
            return batch

        iterator.__next__ = timed  # type: ignore[method-assign]
        hook = register_optimizer_step_post_hook(lambda *_: self._stepped())
        try:
            yield
        finally:
            iterator.__next__ = original  # type: ignore[method-assign]
            hook.remove()

    def _loaded(self, batch: Any, waited_s: float) -> None:
        if self.first <= self.count < self.last:
            self.waited_s += waited_s
            self.audio_s += batch.audio_s
            self.padded_s += batch.padded_samples / 16000

    def _stepped(self) -> None:
        self.count += 1
        if self.count == self.first:
            self._wait()
            if self.cuda:
                torch.cuda.reset_peak_memory_stats()
            self.started_s = time.perf_counter()
        elif self.count == self.last:
            self._wait()
            self.seconds = time.perf_counter() - self.started_s
            self.peak_gb = torch.cuda.max_memory_allocated() / 1e9 if self.cuda else 0.0
            if self.profiled:
                self.profiler = torch.profiler.profile()
                self.profiler.__enter__()
        elif self.profiled and self.count == self.total:
            self._wait()
            self.profiler.__exit__(None, None, None)

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()


def recipe_of(options: argparse.Namespace, budget: float, steps: int) -> Recipe:
    """The children's recipe on generated speech."""
    return check_recipe(
        "benchmark",
        {
            "name": "benchmark",
            "tasks": {"phoneme": {"source": "phones"}},
            "split": {"by": ["random"], "ratios": {"train": 1.0}},
            "model": {
                "encoder": "none",
                "random_weights": True,
                "architecture": TINY if options.tiny else XLS_R_300M,
                "lora": {"rank": 16, "alpha": 32, "dropout": 0.1, "layers": [8, 23]},
                "freeze": {"feature_encoder": True, "layers": 8, "encoder": True},
            },
            "batches": {"padded_seconds": budget, "num_workers": options.workers},
            "augment": {
                "speed": {"factors": [0.9, 1.0, 1.1], "probability": 0.0 if options.no_speed else 0.5},
                "spec_augment": {"probability": 0.5, "feature_width_share": 0.1875},
            },
            "train": {
                "epochs": 1,
                "max_steps": steps,
                "learning_rate": 5e-4,
                "device": options.device,
                "precision": "fp32" if options.device == "cpu" else "bf16",  # few CPUs are fast in bf16
                "log_every_steps": 10,
            },
        },
    )


def measure_training(
    options: argparse.Namespace, manifest: Manifest, budget: float, folder: Path, *, profiled: int = 0
) -> dict[str, Any]:
    """Trains with one budget; returns `{"out_of_memory": message}` if it does not fit."""
    from soritune.training.loop import train

    watch = Stopwatch(options.device, options.warmup, options.steps, profiled)
    recipe = recipe_of(options, budget, watch.total)
    try:
        run = build_run(recipe, manifest, make_splits(manifest, recipe.split), folder)
        with watch.running():
            stopped = train(run).stopped
        if stopped == "interrupted":
            raise KeyboardInterrupt
    except SorituneError as error:
        if "out of memory" not in str(error):
            raise
        return {"padded_seconds": budget, "out_of_memory": str(error)}
    finally:
        gc.collect()
        if watch.cuda:
            torch.cuda.empty_cache()
    result = {
        "padded_seconds": budget,
        "steps": options.steps,
        "seconds": watch.seconds,
        "audio_s_per_s": watch.audio_s / watch.seconds,
        "padding_share": 1.0 - watch.audio_s / watch.padded_s,
        "data_wait_share": watch.waited_s / watch.seconds,
        "peak_gb": watch.peak_gb,
    }
    if profiled:
        result["profile"] = profile_of(watch.profiler, watch.cuda)
    return result


def profile_of(profiler: Any, cuda: bool) -> dict[str, Any]:
    """Kernels (operators on a CPU) by share of the device's time, and the busy share of the device."""
    kind = "self_device_time_total" if cuda else "self_cpu_time_total"
    rows = [row for row in profiler.key_averages() if getattr(row, kind) > 0]
    if cuda:  # an operator's own entry repeats the time of its kernels
        rows = [row for row in rows if row.device_type == DeviceType.CUDA and not row.is_user_annotation]
    total = sum(getattr(row, kind) for row in rows) or 1.0
    rows.sort(key=lambda row: -getattr(row, kind))
    events = profiler.events()
    span = max((e.time_range.end for e in events), default=1) - min(
        (e.time_range.start for e in events), default=0
    )
    return {
        "device_busy_share": total / span if cuda else None,
        "most_expensive": [
            {"what": row.key[:100], "share": getattr(row, kind) / total, "calls": row.count}
            for row in rows[:12]
        ],
    }


def measure_evaluation(options: argparse.Namespace, manifest: Manifest, folder: Path) -> dict[str, Any]:
    """Speed of validation as in training and of the predictor of `soritune evaluate`, each after a warm-up."""
    import numpy as np

    from soritune.inference.predictor import Predictor
    from soritune.training.batches.collate import Collator
    from soritune.training.devices import make_accelerator
    from soritune.training.validation import validate

    recipe = recipe_of(options, 100.0, 1)
    run = build_run(recipe, manifest, make_splits(manifest, recipe.split), folder)
    accelerator = make_accelerator(recipe.train)
    model = run.model.to(accelerator.device)
    collator = Collator(
        manifest,
        run.tasks,
        run.preprocessing,
        num_frames=model.geometry.num_frames,
        hidden_size=model.hidden_size,
    )
    rows = np.arange(len(manifest))
    result: dict[str, Any] = {"mean_s": float(manifest.durations_s.mean())}
    for part, name in ((rows[: len(rows) // 8 + 1], "warm-up"), (rows, "validation")):
        started = time.perf_counter()
        validate(
            model,
            run.tasks,
            collator,
            part,
            manifest.durations_s[part],
            padded_seconds=options.evaluation_budget,
            num_workers=options.workers,
            accelerator=accelerator,
        )
        result[name] = rate_of(
            len(part), float(manifest.durations_s[part].sum()), time.perf_counter() - started
        )
    del result["warm-up"], model, run
    gc.collect()
    predictor = Predictor.load(folder / "bundles" / "last", device=options.device)
    few = manifest.select(rows[: len(rows) // 8 + 1])
    for part_manifest in (few, manifest):
        started = time.perf_counter()
        count = sum(1 for _ in predictor.predict(part_manifest))
        result["predictor"] = rate_of(
            count, float(part_manifest.durations_s.sum()), time.perf_counter() - started
        )
    return result


def rate_of(utterances: int, audio_s: float, seconds: float) -> dict[str, float]:
    """Speed, and the time for 114,539 utterances of these lengths."""
    per_s = utterances / seconds
    return {
        "utterances_per_s": per_s,
        "audio_s_per_s": audio_s / seconds,
        "minutes_for_114539": UTTERANCES / per_s / 60,
    }


def projections(audio_s_per_s: float) -> dict[str, float]:
    """Hours of training without evaluation."""
    pilot = sum(share * epochs for share, epochs in PILOT_PHASES) * PILOT_HOURS
    return {
        "pilot_three_phases_h": pilot / audio_s_per_s,
        "full_3500_h_times_3_h": FULL_HOURS * FULL_EPOCHS / audio_s_per_s,
    }


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, seconds of audio, few steps")
    parser.add_argument("--hours", type=float, default=2.0, help="hours of audio on disk")
    parser.add_argument("--budgets", default="160,320,640,1280", help="padded seconds per step to try")
    parser.add_argument("--evaluation-budget", type=float, default=640.0)
    parser.add_argument("--workers", type=int, help="loader processes; default: the training default")
    parser.add_argument("--warmup", type=int, default=10, help="steps that are not timed")
    parser.add_argument("--steps", type=int, default=40, help="timed steps per budget")
    parser.add_argument("--no-speed", action="store_true", help="no speed perturbation in the loaders")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "soritune-gpu")
    parser.add_argument("--json", type=Path, help="also write the results to this file, after each budget")
    options = parser.parse_args()
    if options.tiny:  # other defaults; what is given counts
        parser.set_defaults(hours=0.05, budgets="3,6", warmup=1, steps=2, evaluation_budget=6.0)
        options = parser.parse_args()
    options.scale = 0.15 if options.tiny else 1.0
    return options


def machine(device: str) -> dict[str, Any]:
    """Hardware and versions that the figures depend on."""
    import os

    import peft
    import transformers

    name = (
        torch.cuda.get_device_name(torch.device(device))
        if device.startswith("cuda")
        else platform.processor() or platform.machine()
    )
    return {
        "device": name,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }


def main() -> None:
    options = parse_options()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print(
            "error: no CUDA GPU is usable here; run this on a machine with a GPU, or check that it runs with "
            "--device cpu --tiny",
            file=sys.stderr,
        )
        sys.exit(2)
    facts = machine(options.device)
    print(", ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    budgets = [float(text) for text in options.budgets.split(",")]
    clips = max(int(options.hours * 3600 / 7.0), 24)
    folder = options.work / f"clips-{clips}-{options.scale:g}"
    corpus = make_corpus(folder, clips, scale=options.scale)
    hours = float(corpus.durations_s.sum()) / 3600
    # Enough rows that no epoch ends while a budget is timed: an epoch of a real corpus has thousands of steps.
    needed_h = (options.warmup + options.steps + 8) * max(budgets) / 3600
    manifest = make_corpus(folder, clips, scale=options.scale, copies=int(1.5 * needed_h / hours) + 1)
    print(f"{clips} files, {hours:.2f} h on disk; {len(manifest)} rows")
    result: dict[str, Any] = {"machine": facts, "training": []}
    with tempfile.TemporaryDirectory(prefix="soritune-gpu-") as scratch:
        for budget in budgets:
            result_of_budget = measure_training(options, manifest, budget, Path(scratch) / f"{budget:g}")
            result["training"].append(result_of_budget)
            show_training(result_of_budget)
            save(result, options.json)
            if "out_of_memory" in result_of_budget:
                break
        fitting = [row for row in result["training"] if "out_of_memory" not in row]
        if not fitting:
            print("error: no budget fits; give smaller ones with --budgets", file=sys.stderr)
            sys.exit(2)
        best = max(fitting, key=lambda row: row["audio_s_per_s"])
        profiled = measure_training(
            options,
            manifest,
            best["padded_seconds"],
            Path(scratch) / "best",
            profiled=1 if options.tiny else 5,
        )
        result["best"] = profiled
        result["evaluation"] = measure_evaluation(options, corpus, Path(scratch) / "best")
    result["projected"] = projections(profiled["audio_s_per_s"])
    show_result(result)
    print(json.dumps(result, ensure_ascii=False))
    save(result, options.json)


def save(result: dict[str, Any], path: Path | None) -> None:
    """Writes what is known so far, so that a run that ends early leaves the budgets it has measured."""
    if path is not None:
        path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def show_training(result: dict[str, Any]) -> None:
    if "out_of_memory" in result:
        print(f"{result['padded_seconds']:6.0f} padded s: {result['out_of_memory']}", flush=True)
        return
    print(
        f"{result['padded_seconds']:6.0f} padded s: {result['audio_s_per_s']:8.1f} audio-s/s, "
        f"peak {result['peak_gb']:.1f} GB, waiting for data {100 * result['data_wait_share']:.1f} %, "
        f"padding {100 * result['padding_share']:.1f} %",
        flush=True,
    )


def show_result(result: dict[str, Any]) -> None:
    best, evaluation, projected = result["best"], result["evaluation"], result["projected"]
    print("\nbest budget, measured again with a profile:")
    show_training(best)
    share = best["audio_s_per_s"] / TARGET_AUDIO_S_PER_S
    print(f"{share:.2f} of the target of {TARGET_AUDIO_S_PER_S} audio-s/s on one H200")
    busy = best["profile"]["device_busy_share"]
    if busy is not None:
        print(f"kernels fill {100 * busy:.0f} % of the profiled time")
    for row in best["profile"]["most_expensive"]:
        print(f"{100 * row['share']:6.1f} %  {row['calls']:6} calls  {row['what']}")
    for name in ("validation", "predictor"):
        row = evaluation[name]
        print(
            f"{name}: {row['utterances_per_s']:.0f} utterances/s, {row['audio_s_per_s']:.0f} audio-s/s; 114,539 of "
            f"{evaluation['mean_s']:.1f} s would take {row['minutes_for_114539']:.1f} minutes "
            f"(target {EVALUATION_TARGET_MIN:g})"
        )
    print(
        f"projected without evaluation: pilot (20/60/100 % of {PILOT_HOURS:.0f} h, 10/8/5 epochs) "
        f"{projected['pilot_three_phases_h']:.2f} h; 3,500 h × 3 {projected['full_3500_h_times_3_h']:.1f} h"
    )


if __name__ == "__main__":
    main()
