"""Part of `bundled_encoder.py`: the manifests, the recipes and the list of runs.

A run is one soritune command in its own folder. Arms that need the same run share it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.utterance import Utterance
from soritune.korean import phonemize

ARMS = ("zero-shot", "real", "emotion", "l2", "adaptation", "timing")
CORPORA = ("ko_speech_selvas", "pansori_tedxkr")
BOTH = "both"
"""The two corpora in one manifest."""
EMOTIONS = ["neutral", "happy", "sad", "angry"]
ENCODER, RANDOM = "encoder", "random"
L2_FILES = [
    f"{folder}/{name}"
    for folder, names in (
        ("speechocean762", ("train_data.json", "val_data.json", "eval.json")),
        ("speechocean762_train", ("train_data.json", "val_data.json")),
    )
    for name in names
]
L2_SPEAKERS = (47, 16)
"""Number of training speakers and of evaluated speakers."""
METHODS = {"full": ENCODER, "lora": "lora", "head": "head"}
"""Adaptation method → name of its start in the runs."""
ADAPTED = "ko_speech_selvas"
NEVER = 1_000_000
Maker = Callable[[Path, Path], tuple[list[Utterance], Path]]
"""From the data folder and a work folder to rows and the root of their audio paths."""


@dataclass(frozen=True)
class Run:
    """One command and its result folder."""

    name: str
    """Also the name of its folder."""
    what: str
    """Kind of run: `phones-<corpus>`, `emotion`, `l2`, `zero-shot-<corpus>` or `timing`."""
    start: str
    """`encoder`, `random`, or an adaptation of the encoder: lora, head, frozen."""
    seed: int
    command: tuple[str, ...]
    """Arguments of `python -m soritune`."""
    weight: float
    """Approximate duration relative to other runs; the longest start first."""
    resumes: bool = False
    """The same command resumes an interrupted run; otherwise the folder is emptied first."""


def data_folder() -> Path:
    """$SORITUNE_DATA; exits with a message if it is not a folder."""
    given = os.environ.get("SORITUNE_DATA")
    if not given or not Path(given).is_dir():
        sys.exit("set SORITUNE_DATA to the folder that holds ko_speech_selvas, pansori_tedxkr and the others")
    return Path(given).resolve()


def manifest_of(name: str, work: Path) -> Path:
    """The manifest of the runs of `name`; created if it does not exist."""
    path = work / "data" / f"{name}.parquet"
    if not path.exists():
        data = data_folder()
        makers: dict[str, Maker] = {"emotion": _emotion, "l2": _l2}
        rows, audio_root = makers.get(name, _phones(name))(data, work / "data" / name)
        write_manifest(path, rows, root=audio_root)
    return path


def _phones(name: str) -> Maker:
    """Rows with the phones of their text by the G2P, with sound changes inside words only."""

    def make(root: Path, out: Path) -> tuple[list[Utterance], Path]:
        corpora = CORPORA if name == BOTH else (name,)
        files = [f"{corpus}/manifest.jsonl" for corpus in corpora]
        config = {"files": files, "fields": {"duration_s": "duration"}}
        manifest = prepare("manifest", root, config, out).manifest
        rows = [
            dataclasses.replace(row, phones=tuple(phonemize(row.text or "", boundary="word")))
            for row in manifest
        ]
        return rows, manifest.root

    return make


def _emotion(root: Path, out: Path) -> tuple[list[Utterance], Path]:
    config = {"files": ["ko_emotion_selvas/manifest.jsonl"], "fields": {"duration_s": "duration"}}
    manifest = prepare("manifest", root, config, out).manifest
    return list(manifest), manifest.root


def _l2(root: Path, out: Path) -> tuple[list[Utterance], Path]:
    """Training speakers in `train`, those of validation and test files in `test`; no speaker may be in both."""
    manifest = prepare("l2-json", root, {"files": L2_FILES}, out).manifest
    rows = [
        dataclasses.replace(
            row, extra={**row.extra, "split": "train" if row.extra["split"] == "train" else "test"}
        )
        for row in manifest
    ]
    speakers = {
        split: {str(row.speaker) for row in rows if row.extra["split"] == split}
        for split in ("train", "test")
    }
    if speakers["train"] & speakers["test"]:
        sys.exit(f"speakers are both in training and in test: {sorted(speakers['train'] & speakers['test'])}")
    sizes = (len(speakers["train"]), len(speakers["test"]))
    if sizes != L2_SPEAKERS:
        print(f"note: {sizes[0]} training and {sizes[1]} test speakers, expected {L2_SPEAKERS}", flush=True)
    return rows, manifest.root


def about(path: Path) -> dict[str, Any]:
    """Size of a manifest for the summary."""
    manifest = load_manifest(path)
    splits = Counter(str(row.extra.get("split")) for row in manifest)
    speakers = set(manifest.column("speaker").to_pylist())
    facts = {"utterances": len(manifest), "speakers": len(speakers), "hours": round(manifest.hours, 3)}
    return facts | ({"splits": dict(splits)} if set(splits) != {"None"} else {})


def recipe_of(kind: str, name: str, start: str, options: argparse.Namespace, work: Path) -> Path:
    """Writes the recipe of a run, common to all seeds, and returns its path.

    The recipes of both starts differ only in the origin of the weights. All weights are trained, including the
    convolutional front end, and the last averaged weights are evaluated: no speech is used for selection.
    """
    tasks: dict[str, Any] = {
        "phones": {"phoneme": {"inventory": "korean", "source": "phones"}},
        "emotion": {"emotion": {"labels": EMOTIONS, "layer": options.emotion_layer}},
        "l2": {
            "mispronunciation": {
                "task": "both",
                "labels": "correct-substituted-deleted-inserted",
                "phoneme_output": "english",
            }
        },
    }
    rate = {"phones": options.rate, "emotion": options.emotion_rate, "l2": options.l2_rate}[kind]
    epochs = {"phones": options.epochs, "emotion": options.emotion_epochs, "l2": options.l2_epochs}[kind]
    padded = {
        "phones": options.padded_seconds,
        "emotion": options.emotion_padded_seconds,
        "l2": options.l2_padded_seconds,
    }[kind]
    model: dict[str, Any] = {
        "encoder": options.encoder,
        "dropout": options.dropout,
        "freeze": {"feature_encoder": False},
    }
    model |= {"random_weights": True} if start == RANDOM else {"init_from": options.encoder}
    heads = options.head_rate
    if start == "lora":
        model["lora"] = {"rank": 16, "alpha": 32, "dropout": options.dropout, "layers": None}
        rate = options.lora_rate
    if start in ("lora", "head", "frozen"):
        model["freeze"] = {"feature_encoder": True, "encoder": True}
    if start in ("head", "frozen"):
        heads = options.frozen_head_rate
    if start == "frozen":
        tasks["emotion"]["emotion"]["layer"] = "weighted"
    recipe = {
        "name": f"{name}-{start}",
        "data": {"source": "manifest", "root": str(manifest_of(name, work)), "licence": "see the corpus"},
        "split": {"given": "split", "ratios": {"train": 0.8, "val": 0.0, "test": 0.2}}
        if kind == "l2"
        else {"by": ["speaker"]},
        "tasks": tasks[kind],
        "model": model,
        "batches": {
            "padded_seconds": padded,
            "num_workers": options.workers,
            "first_epoch_ascending": kind != "emotion",
        },
        "augment": {
            "speed": {"factors": [0.9, 1.0, 1.1], "probability": 0.5},
            "spec_augment": {
                "probability": 0.7,
                "time_masks": 2,
                "time_width_frames": 15,
                "feature_masks": 2,
                "feature_width_share": 0.1,
            },
        },
        "train": {
            "epochs": epochs,
            "max_steps": options.max_steps,
            "learning_rate": rate,
            "learning_rates": {"heads": heads},
            "schedule": options.schedule,
            "warmup_share": options.warmup_share,
            "ema": {"decay": options.ema},
            "precision": options.precision,
            "device": options.device,
            "threads": 1,
            "evaluate_every_steps": NEVER,
            "save_every_steps": NEVER,
            "log_every_steps": 20,
        },
        "evaluate": {
            "checkpoint": "last",
            "audio": False,
            "group_by": {"phones": ["gender", "source"], "emotion": ["script_type"], "l2": ["source"]}[kind],
        },
    }
    path = work / "recipes" / f"{name}-{start}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def runs_of(options: argparse.Namespace, work: Path) -> list[Run]:
    """The runs of all requested arms without duplicates, the longest first.

    They are ordered by seed unless --longest-first is set, so that a deadline leaves complete seeds.
    """
    runs: dict[str, Run] = {}
    by_seed = not options.longest_first
    if "zero-shot" in options.only:
        for corpus in options.corpora:
            run = _zero_shot(corpus, options, work)
            runs.setdefault(run.name, run)
    for seed in options.seeds:
        for corpus in options.corpora:
            for start in (ENCODER, RANDOM) if "real" in options.only else ():
                run = _folds("phones", corpus, start, seed, options.folds, options, work)
                runs.setdefault(run.name, run)
        for start in METHODS.values() if "adaptation" in options.only else ():
            run = _folds("phones", ADAPTED, start, seed, options.folds, options, work)
            runs.setdefault(run.name, run)
        for start in (ENCODER, RANDOM, "frozen") if "emotion" in options.only else ():
            run = _folds("emotion", "emotion", start, seed, options.emotion_folds, options, work)
            runs.setdefault(run.name, run)
        for start in (ENCODER, RANDOM) if "l2" in options.only else ():
            name = f"l2-{start}-s{seed}"
            recipe = recipe_of("l2", "l2", start, options, work)
            command = ("run", str(recipe), f"train.seed={seed}", "-o", str(work / "runs" / name), "--json")
            runs.setdefault(name, Run(name, "l2", start, seed, command, 1.1 * options.l2_epochs))
    return sorted(runs.values(), key=lambda run: (run.seed if by_seed else run.seed >= 0, -run.weight))


def _folds(
    kind: str,
    corpus: str,
    start: str,
    seed: int,
    folds: int | None,
    options: argparse.Namespace,
    work: Path,
) -> Run:
    kind_of_run = "emotion" if kind == "emotion" else f"phones-{corpus}"
    name = f"{kind_of_run}-{start}-s{seed}"
    recipe = recipe_of(kind, corpus, start, options, work)
    command = ["crossval", str(recipe), f"train.seed={seed}", "--val-share", "0"]
    command += [] if folds is None else ["--folds", str(folds)]
    command += ["-o", str(work / "runs" / name), "--json"]
    hours = {"ko_speech_selvas": 0.16, "pansori_tedxkr": 0.5, BOTH: 0.66, "emotion": 0.28}[corpus]
    epochs = options.emotion_epochs if kind == "emotion" else options.epochs
    relative_cost = 0.5 if start in ("lora", "head", "frozen") else 1.0
    return Run(
        name, kind_of_run, start, seed, tuple(command), hours * epochs * (folds or 9) * relative_cost, True
    )


def _zero_shot(corpus: str, options: argparse.Namespace, work: Path) -> Run:
    name = f"zero-shot-{corpus}"
    command = ["evaluate", options.encoder, "--manifest", str(manifest_of(corpus, work)), "--split", "all"]
    command += ["--group-by", "source", "--no-audio", "--device", options.device]
    command += ["-o", str(work / "runs" / name), "--json"]
    return Run(name, name, ENCODER, -1, tuple(command), 0.0)
