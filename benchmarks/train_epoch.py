"""How much faster is an epoch than with Hugging Face's Trainer and peft on random batches, as in tutorials?

    python benchmarks/train_epoch.py                 the table; about 10 minutes on two quiet cores
    python benchmarks/train_epoch.py --ablation      the effect of each optimisation; about 6 minutes
    python benchmarks/train_epoch.py --profile       where an epoch of soritune spends its time; about 2 minutes
    python benchmarks/train_epoch.py --quality       PER of both after equally many epochs on synthetic speech; needs
                                                     espeak-ng (extra `speech`); about 12 minutes

Both sides use the same machine, clips, model (wav2vec2-base, random weights), dropout, SpecAugment, adapters (LoRA r=16
on q, k, v) and trained head, in float32 with 16 clips per step. A random sample of the steps of an epoch of 4,000 clips
is timed, alternating between the sides, and extrapolated to the epoch by its padded seconds (`timed_arms.py`). The
lengths are those of real corpora scaled down (`--scale`), so that this takes minutes.

There are two peers. "peft alone" freezes as peft does, by requires_grad=False; transformers' feature encoder then still
keeps the whole graph. "peft + freeze call" also calls `freeze_feature_encoder()`, as better tutorials do, which removes
the graph; it is the fairer peer. Mode `same` trains adapters on all layers on both sides. Mode `frozen` does not train
the lower third of the layers and all modules below, on both sides.
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
    """Both peers and soritune in each mode."""
    arms = []
    for mode in modes:
        frozen = layers // 3 if mode == "frozen" else 0
        arms += [
            Arm(f"{mode}: peft alone", "peer", frozen),
            Arm(f"{mode}: peft + freeze call", "peer", frozen, freeze_call=True),
            Arm(f"{mode}: soritune", "ours", frozen),
        ]
    return arms


def ratios_of(results: dict[str, dict[str, Any]], modes: list[str]) -> list[dict[str, Any]]:
    """Time of each peer over soritune's: for the whole epoch, the median over stretches, and by CPU time."""
    rows = []
    for mode in modes:
        our_result = results[f"{mode}: soritune"]
        for peer in ("peft alone", "peft + freeze call"):
            peer_result = results[f"{mode}: {peer}"]
            pairs = zip(peer_result["stretches"], our_result["stretches"], strict=True)
            parts = [peer_part["epoch_seconds"] / our_part["epoch_seconds"] for peer_part, our_part in pairs]
            rows.append(
                {
                    "mode": mode,
                    "peer": peer,
                    "ratio": peer_result["seconds"] / our_result["seconds"],
                    "median_of_stretches": statistics.median(parts),
                    "lowest": min(parts),
                    "highest": max(parts),
                    "cpu_ratio": peer_result["cpu_s"] / our_result["cpu_s"],
                    "target": TARGETS[mode],
                }
            )
    return rows


def machine() -> dict[str, Any]:
    """Hardware and versions that the figures depend on."""
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


def show_arms(results: dict[str, dict[str, Any]]) -> None:
    print(f"\n{'epoch of':34} {'seconds':>8} {'cpu-s':>7} {'padding':>8} {'peak GB':>8} {'trained':>10}")
    for name, row in results.items():
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


def save(result: dict[str, Any], path: Path | None) -> None:
    """Writes what is known so far, so that a run that ends early leaves the modes it has measured."""
    if path is not None:
        path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def ablation(bench: Bench, frozen: int, report: Any) -> dict[str, Any]:
    """Soritune without each optimisation, compared with complete soritune."""
    arms = [Arm("whole", "ours", frozen)] + [Arm(f"without {p}", "ours", frozen, without=p) for p in PARTS]
    results = run_arms(arms, bench, report)
    show_arms(results)
    print()
    for name, row in results.items():
        parts = [
            part["epoch_seconds"] / whole["epoch_seconds"]
            for part, whole in zip(row["stretches"], results["whole"]["stretches"], strict=True)
        ]
        print(
            f"{name:36} {statistics.median(parts):5.2f} × the complete one's time in the median "
            f"(stretches {min(parts):.2f}–{max(parts):.2f})"
        )
    return results


def modes_of(text: str) -> list[str]:
    """The modes that `--modes` names."""
    modes = list(TARGETS) if text == "both" else text.split(",")
    unknown = [mode for mode in modes if mode not in TARGETS]
    if unknown:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}' is unknown; give {', '.join(TARGETS)} or both")
    return modes


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--modes", type=modes_of, default="both", help="same, frozen or both (default), one after the other"
    )
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument(
        "--quality-minutes",
        type=float,
        default=50.0,
        help="minutes of synthetic speech, three quarters for training",
    )
    parser.add_argument("--quality-epochs", type=int, default=6)
    parser.add_argument("--clips", type=int, default=4000, help="clips in the corpus")
    parser.add_argument(
        "--steps", type=int, help="timed steps of each arm; default 8, or 4 for ablation and profile"
    )
    parser.add_argument(
        "--scale", type=float, default=0.25, help="factor of the lengths (7 s on average, 0.5 to 15 s)"
    )
    parser.add_argument("--durations", type=Path, help="use the lengths of this manifest instead")
    parser.add_argument("--utterances", type=int, default=16, help="clips per step")
    parser.add_argument("--chunks", type=int, default=4, help="number of stretches that divide the steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="a toy model, to check that it runs")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "soritune-train-epoch")
    parser.add_argument("--json", type=Path, help="also write the results to this file, after each mode")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    started = time.perf_counter()
    architecture = TINY if options.tiny else BASE
    layers = int(architecture.get("num_hidden_layers", 12))  # type: ignore[call-overload]
    facts = machine()
    steps = options.steps or (4 if options.ablation or options.profile else 8)
    result: dict[str, Any] = {"machine": facts, "settings": {k: str(v) for k, v in vars(options).items()}}
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    if options.quality:
        from tiny_quality import quality

        result["quality"] = quality(
            options.work, options.quality_minutes, options.quality_epochs, options.threads
        )
    else:
        corpus = options.work / f"noise-{options.clips}-{options.scale:g}"
        manifest = make_corpus(corpus, options.clips, scale=options.scale, real=options.durations)
        mean = manifest.durations_s.mean()
        result["corpus"] = {
            "clips": len(manifest),
            "seconds": float(manifest.durations_s.sum()),
            "mean_s": float(mean),
        }
        print(
            f"{len(manifest)} clips, {manifest.durations_s.sum():.0f} s, {mean:.2f} s on average; "
            f"{steps} steps per arm; {options.threads} threads"
        )
        bench = Bench(
            str(corpus),
            architecture=dict(architecture),
            utterances=options.utterances,
            steps=steps,
            chunks=1 if options.profile else min(options.chunks, steps),
            threads=options.threads,
            workers=1 if options.ablation else 0,
            profile=options.profile,
        )
        report = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
        modes = options.modes
        if options.ablation:
            result["arms"] = ablation(bench, layers // 3 if "frozen" in modes else 0, report)
        elif options.profile:
            result["arms"] = results = run_arms([Arm("soritune", "ours", layers // 3)], bench, report)
            for row in results["soritune"]["most_expensive"]:
                print(f"{100 * row['share']:5.1f} %  {row['calls']:6} calls  {row['what']}")
        else:
            # One mode at a time: six parallel trainings would need 20 GB.
            results = {}
            for mode in modes:
                of_mode = run_arms(arms_of([mode], layers), bench, report)
                ratios = ratios_of(of_mode, [mode])
                show_arms(of_mode)
                show_ratios(ratios)
                results |= of_mode
                result |= {"arms": results, "ratios": [*result.get("ratios", []), *ratios]}
                save(result, options.json)
    result["took_s"] = round(time.perf_counter() - started, 1)
    print(f"\ntook {result['took_s'] / 60:.1f} minutes")
    print(json.dumps(result, ensure_ascii=False))
    save(result, options.json)


if __name__ == "__main__":
    main()
