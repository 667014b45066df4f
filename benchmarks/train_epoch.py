"""Epoch time beside fine-tuning as the tutorials write it: Hugging Face's Trainer with peft on random batches.

    python benchmarks/train_epoch.py                 the table; about 10 minutes on two quiet cores
    python benchmarks/train_epoch.py --ablation      what each part of the speed is worth; about 6 minutes
    python benchmarks/train_epoch.py --profile       what one epoch of ours spends its time on; about 2 minutes
    python benchmarks/train_epoch.py --quality       the same number of epochs on synthetic speech, PER of both; needs
                                                     espeak-ng (extra `speech`); about 12 minutes

Same machine, same run, same clips on disk, same model (wav2vec2-base, random weights), same dropout and SpecAugment,
same adapters (LoRA r=16 on q, k, v) and trained head, float32, 16 clips a step. Of the epoch of a corpus of 4,000
clips a random sample of steps is timed, the sides taking turns, and carried to the whole epoch by its padded seconds
(`timed_arms.py`). The lengths are those of real corpora scaled down (`--scale`) so that this ends in minutes.

There are two peers. "peft alone" freezes as peft does, by requires_grad=False; transformers' feature encoder then still
keeps the graph through all of it. "peft + freeze call" also calls `freeze_feature_encoder()`, as the better tutorials
do, which takes the graph away and is the fairer one. Modes: `same` trains adapters on all layers on both sides;
`frozen` leaves the lower third of the layers, and everything below, untrained on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from noise_corpus import make_corpus
from timed_arms import BASE, Arm, Bench, run_arms

TINY = {
    **BASE,
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "conv_dim": [32] * 7,
}
TARGETS = {"same": 2.4, "frozen": 3.0}
PARTS = (
    "bucketing by length",
    "padded-seconds budget",
    "frozen part without graph",
    "SDPA attention",
    "fused optimizer",
    "group norm by rows",
    "quick dropout",
    "loader process",
    "layer drop 0",
)


def arms_of(modes: list[str], layers: int) -> list[Arm]:
    """Both peers and ours in each mode."""
    made = []
    for mode in modes:
        frozen = layers // 3 if mode == "frozen" else 0
        made += [
            Arm(f"{mode}: peft alone", "peer", frozen),
            Arm(f"{mode}: peft + freeze call", "peer", frozen, freeze_call=True),
            Arm(f"{mode}: soritune", "ours", frozen),
        ]
    return made


def ratios_of(found: dict[str, dict[str, Any]], modes: list[str]) -> list[dict[str, Any]]:
    """Each peer's epoch over ours: of the whole epoch, the median over stretches, and by CPU time."""
    rows = []
    for mode in modes:
        ours = found[f"{mode}: soritune"]
        for peer in ("peft alone", "peft + freeze call"):
            theirs = found[f"{mode}: {peer}"]
            pairs = zip(theirs["stretches"], ours["stretches"], strict=True)
            parts = [one["epoch_seconds"] / other["epoch_seconds"] for one, other in pairs]
            rows.append(
                {
                    "mode": mode,
                    "peer": peer,
                    "ratio": theirs["seconds"] / ours["seconds"],
                    "median_of_stretches": statistics.median(parts),
                    "lowest": min(parts),
                    "highest": max(parts),
                    "cpu_ratio": theirs["cpu_s"] / ours["cpu_s"],
                    "target": TARGETS[mode],
                }
            )
    return rows


def machine() -> dict[str, Any]:
    """What the figures hang on."""
    import peft
    import torch
    import transformers

    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }


def show_arms(found: dict[str, dict[str, Any]]) -> None:
    print(f"\n{'epoch of':34} {'seconds':>8} {'cpu-s':>7} {'padding':>8} {'peak GB':>8} {'trained':>10}")
    for name, row in found.items():
        print(
            f"{name:34} {row['seconds']:8.0f} {row['cpu_s']:7.0f} {100 * row['padding_share']:7.1f}% "
            f"{row['peak_gb']:8.2f} {row['trainable']:10,}"
        )


def show_ratios(rows: list[dict[str, Any]]) -> None:
    print(
        f"\n{'mode':8} {'beside':22} {'ratio':>6} {'median of stretches':>20} {'by CPU time':>12} {'target':>7}"
    )
    for row in rows:
        spread = f"{row['median_of_stretches']:.2f} ({row['lowest']:.2f}–{row['highest']:.2f})"
        print(
            f"{row['mode']:8} {row['peer']:22} {row['ratio']:6.2f} {spread:>20} {row['cpu_ratio']:12.2f} "
            f"{row['target']:7}"
        )


def ablation(bench: Bench, frozen: int, say: Any) -> dict[str, Any]:
    """Ours without each part, beside ours whole."""
    arms = [Arm("whole", "ours", frozen)] + [Arm(f"without {p}", "ours", frozen, without=p) for p in PARTS]
    found = run_arms(arms, bench, say)
    show_arms(found)
    print()
    for name, row in found.items():
        parts = [
            a["epoch_seconds"] / b["epoch_seconds"]
            for a, b in zip(row["stretches"], found["whole"]["stretches"], strict=True)
        ]
        print(
            f"{name:36} {statistics.median(parts):5.2f} × the time of the whole in the median "
            f"(stretches {min(parts):.2f}–{max(parts):.2f})"
        )
    return found


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modes", default="same,frozen", help="same, frozen or both")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument(
        "--quality-minutes", type=float, default=50.0, help="synthetic speech, three quarters trained on"
    )
    parser.add_argument("--quality-epochs", type=int, default=6)
    parser.add_argument("--clips", type=int, default=4000, help="in the corpus")
    parser.add_argument("--steps", type=int, help="timed of each; default 8, and 4 for ablation and profile")
    parser.add_argument(
        "--scale", type=float, default=0.25, help="of the lengths (7 s in the mean, 0.5 to 15 s)"
    )
    parser.add_argument("--durations", type=Path, help="take the lengths of this manifest instead")
    parser.add_argument("--utterances", type=int, default=16, help="clips a step")
    parser.add_argument("--chunks", type=int, default=4, help="stretches the steps are cut into")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="a toy model, to see that it runs")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "soritune-train-epoch")
    parser.add_argument("--json", type=Path, help="write everything here too")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    began = time.perf_counter()
    architecture = TINY if chosen.tiny else BASE
    layers = int(architecture.get("num_hidden_layers", 12))  # type: ignore[call-overload]
    about = machine()
    steps = chosen.steps or (4 if chosen.ablation or chosen.profile else 8)
    result: dict[str, Any] = {"machine": about, "settings": {k: str(v) for k, v in vars(chosen).items()}}
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    if chosen.quality:
        from tiny_quality import quality

        result["quality"] = quality(
            chosen.work, chosen.quality_minutes, chosen.quality_epochs, chosen.threads
        )
    else:
        corpus = chosen.work / f"noise-{chosen.clips}-{chosen.scale:g}"
        manifest = make_corpus(corpus, chosen.clips, scale=chosen.scale, real=chosen.durations)
        mean = manifest.durations_s.mean()
        result["corpus"] = {
            "clips": len(manifest),
            "seconds": float(manifest.durations_s.sum()),
            "mean_s": float(mean),
        }
        print(
            f"{len(manifest)} clips, {manifest.durations_s.sum():.0f} s, {mean:.2f} s in the mean; "
            f"{steps} steps of each; {chosen.threads} threads"
        )
        bench = Bench(
            str(corpus),
            architecture=dict(architecture),
            utterances=chosen.utterances,
            steps=steps,
            chunks=1 if chosen.profile else min(chosen.chunks, steps),
            threads=chosen.threads,
            workers=1 if chosen.ablation else 0,
            profile=chosen.profile,
        )
        say = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
        modes = chosen.modes.split(",")
        if chosen.ablation:
            result["arms"] = ablation(bench, layers // 3 if "frozen" in modes else 0, say)
        elif chosen.profile:
            result["arms"] = found = run_arms([Arm("soritune", "ours", layers // 3)], bench, say)
            for row in found["soritune"]["most_expensive"]:
                print(f"{100 * row['share']:5.1f} %  {row['calls']:6} calls  {row['what']}")
        else:
            # A mode at a time: six trainings at once would want 20 GB.
            found = {}
            for mode in modes:
                found |= run_arms(arms_of([mode], layers), bench, say)
            result["arms"] = found
            result["ratios"] = ratios_of(found, modes)
            show_arms(found)
            show_ratios(result["ratios"])
    result["took_s"] = round(time.perf_counter() - began, 1)
    print(f"\ntook {result['took_s'] / 60:.1f} minutes")
    print(json.dumps(result, ensure_ascii=False))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
