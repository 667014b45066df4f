"""Part of `bundled_encoder.py`: the manifests, the recipes and the list of runs.

A run is one command of soritune in a folder of its own. Two arms that want the same run share it.
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
"""Of training, and of the judged part."""
METHODS = {"full": ENCODER, "lora": "lora", "head": "head"}
"""Ways of adaptation → what their runs are called."""
ADAPTED = "ko_speech_selvas"
NEVER = 1_000_000
Maker = Callable[[Path, Path], tuple[list[Utterance], Path]]
"""From the data folder and a folder to work in: rows, and where their audio paths start."""


@dataclass(frozen=True)
class Run:
    """One command and where its result lies."""

    name: str
    """Also its folder's."""
    what: str
    """What is run: `phones-<corpus>`, `emotion`, `l2`, `zero-shot-<corpus>` or `timing`."""
    start: str
    """`encoder`, `random`, or how the encoder is adapted: lora, head, frozen."""
    seed: int
    command: tuple[str, ...]
    """Arguments of `python -m soritune`."""
    weight: float
    """About how long it takes beside the others; the longest begin first."""
    goes_on: bool = False
    """The same command goes on with what was begun; otherwise the folder is emptied first."""


def data_folder() -> Path:
    """$SORITUNE_DATA, or a sentence."""
    given = os.environ.get("SORITUNE_DATA")
    if not given or not Path(given).is_dir():
        sys.exit("set SORITUNE_DATA to the folder that holds ko_speech_selvas, pansori_tedxkr and the others")
    return Path(given).resolve()


def manifest_of(name: str, work: Path) -> Path:
    """The manifest that runs of `name` read; made when it is not there."""
    path = work / "data" / f"{name}.parquet"
    if not path.exists():
        root = data_folder()
        makers: dict[str, Maker] = {"emotion": _emotion, "l2": _l2}
        rows, place = makers.get(name, _phones(name))(root, work / "data" / name)
        write_manifest(path, rows, root=place)
    return path


def _phones(name: str) -> Maker:
    """Rows with the phones of their text by the G2P, sound changes inside words only."""

    def made(root: Path, out: Path) -> tuple[list[Utterance], Path]:
        corpora = CORPORA if name == BOTH else (name,)
        files = [f"{corpus}/manifest.jsonl" for corpus in corpora]
        config = {"files": files, "fields": {"duration_s": "duration"}}
        found = prepare("manifest", root, config, out).manifest
        rows = [
            dataclasses.replace(row, phones=tuple(phonemize(row.text or "", boundary="word")))
            for row in found
        ]
        return rows, found.root

    return made


def _emotion(root: Path, out: Path) -> tuple[list[Utterance], Path]:
    config = {"files": ["ko_emotion_selvas/manifest.jsonl"], "fields": {"duration_s": "duration"}}
    found = prepare("manifest", root, config, out).manifest
    return list(found), found.root


def _l2(root: Path, out: Path) -> tuple[list[Utterance], Path]:
    """Training speakers under `train`, those of validation and test files under `test`; they must be apart."""
    found = prepare("l2-json", root, {"files": L2_FILES}, out).manifest
    rows = [
        dataclasses.replace(
            row, extra={**row.extra, "split": "train" if row.extra["split"] == "train" else "test"}
        )
        for row in found
    ]
    speakers = {
        split: {str(row.speaker) for row in rows if row.extra["split"] == split}
        for split in ("train", "test")
    }
    if speakers["train"] & speakers["test"]:
        sys.exit(f"speakers are in training and judged: {sorted(speakers['train'] & speakers['test'])}")
    sizes = (len(speakers["train"]), len(speakers["test"]))
    if sizes != L2_SPEAKERS:
        print(f"note: {sizes[0]} training and {sizes[1]} judged speakers, not {L2_SPEAKERS}", flush=True)
    return rows, found.root


def about(path: Path) -> dict[str, Any]:
    """Size of a manifest, for the summary."""
    manifest = load_manifest(path)
    splits = Counter(str(row.extra.get("split")) for row in manifest)
    speakers = set(manifest.column("speaker").to_pylist())
    found = {"utterances": len(manifest), "speakers": len(speakers), "hours": round(manifest.hours, 3)}
    return found | ({"splits": dict(splits)} if set(splits) != {"None"} else {})


def recipe_of(kind: str, name: str, start: str, asked: argparse.Namespace, work: Path) -> Path:
    """Writes the recipe of a run, all seeds of it, and gives its path.

    Both starts have the same recipe but for where the weights come from; all of them are trained, the convolutional
    front end too, and the last averaged weights are judged: nothing is chosen on anyone's speech.
    """
    tasks: dict[str, Any] = {
        "phones": {"phoneme": {"inventory": "korean", "source": "phones"}},
        "emotion": {"emotion": {"labels": EMOTIONS, "layer": asked.emotion_layer}},
        "l2": {
            "mispronunciation": {
                "task": "both",
                "labels": "correct-substituted-deleted-inserted",
                "phoneme_output": "english",
            }
        },
    }
    rate = {"phones": asked.rate, "emotion": asked.emotion_rate, "l2": asked.l2_rate}[kind]
    epochs = {"phones": asked.epochs, "emotion": asked.emotion_epochs, "l2": asked.l2_epochs}[kind]
    padded = {
        "phones": asked.padded_seconds,
        "emotion": asked.emotion_padded_seconds,
        "l2": asked.l2_padded_seconds,
    }[kind]
    model: dict[str, Any] = {
        "encoder": asked.encoder,
        "dropout": asked.dropout,
        "freeze": {"feature_encoder": False},
    }
    model |= {"random_weights": True} if start == RANDOM else {"init_from": asked.encoder}
    heads = asked.head_rate
    if start == "lora":
        model["lora"] = {"rank": 16, "alpha": 32, "dropout": asked.dropout, "layers": None}
        rate = asked.lora_rate
    if start in ("lora", "head", "frozen"):
        model["freeze"] = {"feature_encoder": True, "encoder": True}
    if start in ("head", "frozen"):
        heads = asked.frozen_head_rate
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
            "num_workers": asked.workers,
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
            "max_steps": asked.max_steps,
            "learning_rate": rate,
            "learning_rates": {"heads": heads},
            "schedule": asked.schedule,
            "warmup_share": asked.warmup_share,
            "ema": {"decay": asked.ema},
            "precision": asked.precision,
            "device": asked.device,
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


def runs_of(asked: argparse.Namespace, work: Path) -> list[Run]:
    """The runs of all arms asked for, each once, the longest first; seed by seed unless asked otherwise, so that what
    a deadline leaves is whole seeds."""
    found: dict[str, Run] = {}
    by_seed = not asked.longest_first
    if "zero-shot" in asked.only:
        for corpus in asked.corpora:
            run = _zero_shot(corpus, asked, work)
            found.setdefault(run.name, run)
    for seed in asked.seeds:
        for corpus in asked.corpora:
            for start in (ENCODER, RANDOM) if "real" in asked.only else ():
                run = _folds("phones", corpus, start, seed, asked.folds, asked, work)
                found.setdefault(run.name, run)
        for start in METHODS.values() if "adaptation" in asked.only else ():
            run = _folds("phones", ADAPTED, start, seed, asked.folds, asked, work)
            found.setdefault(run.name, run)
        for start in (ENCODER, RANDOM, "frozen") if "emotion" in asked.only else ():
            run = _folds("emotion", "emotion", start, seed, asked.emotion_folds, asked, work)
            found.setdefault(run.name, run)
        for start in (ENCODER, RANDOM) if "l2" in asked.only else ():
            name = f"l2-{start}-s{seed}"
            recipe = recipe_of("l2", "l2", start, asked, work)
            command = ("run", str(recipe), f"train.seed={seed}", "-o", str(work / "runs" / name), "--json")
            found.setdefault(name, Run(name, "l2", start, seed, command, 1.1 * asked.l2_epochs))
    return sorted(found.values(), key=lambda run: (run.seed if by_seed else run.seed >= 0, -run.weight))


def _folds(
    kind: str,
    corpus: str,
    start: str,
    seed: int,
    folds: int | None,
    asked: argparse.Namespace,
    work: Path,
) -> Run:
    what = "emotion" if kind == "emotion" else f"phones-{corpus}"
    name = f"{what}-{start}-s{seed}"
    recipe = recipe_of(kind, corpus, start, asked, work)
    command = ["crossval", str(recipe), f"train.seed={seed}", "--val-share", "0"]
    command += [] if folds is None else ["--folds", str(folds)]
    command += ["-o", str(work / "runs" / name), "--json"]
    hours = {"ko_speech_selvas": 0.16, "pansori_tedxkr": 0.5, BOTH: 0.66, "emotion": 0.28}[corpus]
    epochs = asked.emotion_epochs if kind == "emotion" else asked.epochs
    cheap = 0.5 if start in ("lora", "head", "frozen") else 1.0
    return Run(name, what, start, seed, tuple(command), hours * epochs * (folds or 9) * cheap, True)


def _zero_shot(corpus: str, asked: argparse.Namespace, work: Path) -> Run:
    name = f"zero-shot-{corpus}"
    command = ["evaluate", asked.encoder, "--manifest", str(manifest_of(corpus, work)), "--split", "all"]
    command += ["--group-by", "source", "--no-audio", "--device", asked.device]
    command += ["-o", str(work / "runs" / name), "--json"]
    return Run(name, name, ENCODER, -1, tuple(command), 0.0)
