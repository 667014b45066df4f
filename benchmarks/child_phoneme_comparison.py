"""The complete `child-phoneme` recipe on a thin encoder and synthetic speech: base, r16 and r32 compared.

    python benchmarks/child_phoneme_comparison.py --work FOLDER [--minutes 36] [--base-steps 1500]

All steps are soritune commands in FOLDER:

1. `prepare synthetic`: Korean sentences spoken by espeak-ng (needs the extra `speech`);
2. `run base.yaml`: an encoder of 24 layers of width 64, trained from random weights, takes the role of XLS-R;
3. `run child-phoneme` three times, with `--preset base` (the head alone), unchanged (r=16) and with `--preset r32`,
   from that encoder and its head: three phases, nested shares of the hours, averaged weights, early stopping. Only the
   encoder, the data, the batch size and the needs of a small corpus differ from the recipe (`OVERRIDES`);
4. `evaluate --checkpoint start` for the unchanged encoder, `model-info` for parameters, `compare` for the summary.

Writes `start.json`, `base.json`, `r16.json`, `r32.json` (scores with their intervals) and `summary.json`: phases,
parameters, rates, paired differences, and speed of prediction relative to the encoder without adapters. Finished stages
are skipped, so an interrupted comparison can be started again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

MODELS = {"base": ["--preset", "base"], "r16": [], "r32": ["--preset", "r32"]}
OVERRIDES = [
    "data.source=manifest",
    "split.given=null",
    "split.ratios={train: 0.6, val: 0.1, test: 0.3}",
    "split.stratify=[]",
    "batches.padded_seconds=20",
    "batches.micro_batches_per_step=1",
    "evaluate.group_by=[speaker, gender]",
    "evaluate.audio=false",
    "train.device=cpu",
]
BASE: dict[str, Any] = {
    "name": "thin-base",
    "data": {"source": "manifest", "synthetic": True},
    "split": {"by": ["speaker"], "ratios": {"train": 0.9, "val": 0.05, "test": 0.05}, "seed": 7},
    "tasks": {"phoneme": {}},
    "model": {
        "encoder": "none",
        "random_weights": True,
        "freeze": {"feature_encoder": False},
        "architecture": {
            "model_type": "wav2vec2",
            "hidden_size": 64,
            "num_hidden_layers": 24,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "conv_dim": [64, 64, 64, 64],
            "conv_kernel": [64, 8, 4, 4],
            "conv_stride": [16, 5, 2, 2],
            "num_feat_extract_layers": 4,
            "conv_bias": True,
            "feat_extract_norm": "layer",
            "do_stable_layer_norm": True,
            "num_conv_pos_embeddings": 32,
            "num_conv_pos_embedding_groups": 8,
            "hidden_dropout": 0.0,
            "attention_dropout": 0.0,
            "activation_dropout": 0.0,
            "feat_proj_dropout": 0.0,
            "final_dropout": 0.0,
        },
    },
    "batches": {"padded_seconds": 24, "first_epoch_ascending": True},
    "train": {
        "epochs": 1000,
        "learning_rate": 2.0e-3,
        "schedule": "one_cycle",
        "device": "cpu",
        "evaluate_every_steps": 500,
    },
    "evaluate": {"audio": False},
}


def soritune(work: Path, *words: str) -> str:
    """Runs a command and returns its standard output."""
    print("soritune", *words, flush=True)
    process = subprocess.run(
        [sys.executable, "-m", "soritune.cli.main", *words], cwd=work, stdout=subprocess.PIPE, text=True
    )
    if process.returncode:
        raise SystemExit(process.returncode)
    return process.stdout


def run_once(work: Path, name: str, *words: str) -> None:
    """`soritune run` into `name`: resumes an interrupted run, skips an evaluated one."""
    if (work / name / "scores.json").exists():
        return
    started = any((work / name / "checkpoints").glob("step-*"))
    soritune(work, "run", *words, "-o", name, *(["--resume"] if started else []))


def train_all(work: Path, minutes: float, base_steps: int) -> None:
    for name, seed, share, speakers in (("base-corpus", 11, 0.5, 30), ("corpus", 12, 0.5, 44)):
        if not (work / name / "manifest.parquet").exists():
            config = {"minutes": minutes * share, "speakers": speakers, "seed": seed}
            settings = [word for key, value in config.items() for word in ("--set", f"{key}={value}")]
            soritune(work, "prepare", "synthetic", name, "--out", name, *settings)
    (work / "base.yaml").write_text(yaml.safe_dump(BASE, sort_keys=False), encoding="utf-8")
    corpus = f"data={work / 'base-corpus' / 'manifest.parquet'}"
    run_once(work, "thin-base", "base.yaml", corpus, f"train.max_steps={base_steps}")
    corpus = f"data={work / 'corpus' / 'manifest.parquet'}"
    encoder = f"model.encoder={work / 'thin-base' / 'bundles' / 'best_phoneme_per'}"
    for name, preset in MODELS.items():
        run_once(work, name, "child-phoneme", *preset, corpus, encoder, "data.synthetic=true", *OVERRIDES)


def speeds(work: Path, repeat: int) -> dict[str, float]:
    """Seconds of audio per CPU second of each model's prediction, medians of interleaved repetitions."""
    from soritune.corpus.manifest import load_manifest
    from soritune.inference.predictor import Predictor
    from soritune.run_folder import choose_bundle

    rows = load_manifest(work / "corpus" / "manifest.parquet")
    rows = rows.select(list(range(min(len(rows), 150))))
    predictors = {"start": Predictor.load(choose_bundle(work / "r16", "start"), device="cpu")}
    predictors |= {name: Predictor.load(choose_bundle(work / name), device="cpu") for name in MODELS}
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    for _ in range(repeat + 1):
        for name, predictor in predictors.items():
            started = time.process_time()
            for _ in predictor.predict(rows):
                pass
            seconds[name].append(time.process_time() - started)
    audio_s = float(rows.durations_s.sum())
    return {name: audio_s / statistics.median(values[1:]) for name, values in seconds.items()}


def phases_of(folder: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    starts = {event["phase"]: event for event in events if event["event"] == "start"}
    return [
        {
            "phase": end["phase"],
            "hours": round(starts[end["phase"]]["train_hours"], 4),
            "utterances": starts[end["phase"]]["train_rows"],
            "steps": end["step"] - starts[end["phase"]]["step"],
            "stopped": end["stopped"],
            "best_validation": {name: round(value, 4) for name, value in end["best"].items()},
        }
        for end in events
        if end["event"] == "phase_end"
    ]


def summarise(work: Path, repeat: int) -> dict[str, Any]:
    soritune(work, "evaluate", "r16", "--checkpoint", "start", "--device", "cpu", "--json")
    shutil.copy(work / "r16" / "scores-start.json", work / "start.json")
    for name in MODELS:
        shutil.copy(work / name / "scores.json", work / f"{name}.json")
    names = ["start", *MODELS]
    files = [f"{name}.json" for name in names]
    comparison = json.loads(soritune(work, "compare", *files, "--output", "comparison.json", "--json"))
    speed = speeds(work, repeat)
    models = {}
    for index, name in enumerate(names):
        rates = comparison["tasks"]["phoneme"]["rates"]
        models[name] = {
            "rates": {
                key: row[index] for key, row in rates.items() if key in ("per", "word_phone_er", "cer_pron")
            },
            "audio_s_per_cpu_s": round(speed[name], 1),
            "relative_speed": round(speed[name] / speed["start"], 3),
        }
        if name != "start":
            encoder = f"model.encoder={work / 'thin-base' / 'bundles' / 'best_phoneme_per'}"
            words = ("child-phoneme", *MODELS[name], encoder, "model.architecture={}", "--json")
            parameters = json.loads(soritune(work, "model-info", *words))["parameters"]
            models[name] |= {
                "trained": parameters["trainable"],
                "trained_in_heads": parameters["head_trainable"],
                "all": parameters["total"],
                "phases": phases_of(work / name),
            }
    return {
        "synthetic": True,
        "encoder": "24 layers of 64, trained from random weights on other synthetic voices",
        "models": models,
        "paired_with": "start",
        "differences": comparison["tasks"]["phoneme"]["differences"],
        "speakers": comparison["tasks"]["phoneme"]["common_speakers"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=36.0, help="of synthetic speech, both corpora together"
    )
    parser.add_argument("--base-steps", type=int, default=1500)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    train_all(work, options.minutes, options.base_steps)
    summary = summarise(work, options.repeat)
    text = json.dumps(summary, ensure_ascii=False, indent=1) + "\n"
    (work / "summary.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
