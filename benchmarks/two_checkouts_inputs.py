"""Part of `two_checkouts.py`: toy encoders and corpora that both checkouts read, and the trainings that use them.

All inputs are written once to one folder by the soritune that the program imports, so both checkouts read the
same bytes from the same paths.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

CORPUS = "ko_speech_selvas"
"""The real corpus."""
TEXTS = ("가나", "다라마", "사과 나무", "바다", "하루 하루")
TWO_TASKS: dict[str, Any] = {
    "name": "two-tasks",
    "data": {"source": "manifest"},
    "split": {"by": ["speaker"], "ratios": {"train": 0.66, "val": 0.17, "test": 0.17}},
    "tasks": {
        "phoneme": {},
        "emotion": {"labels": ["high", "low"], "class_weights": "balanced", "layer": "weighted"},
    },
    "model": {"encoder": "given", "dropout": 0.1, "freeze": {"layers": 1}},
    "batches": {"padded_seconds": 8, "micro_batches_per_step": 2, "label_smoothing": 0.1},
    "augment": {
        "speed": {"factors": [0.9, 1.0, 1.1], "probability": 0.5},
        "spec_augment": {"probability": 0.7, "time_width_frames": 8, "feature_masks": 1},
    },
    "train": {
        "learning_rate": 1e-3,
        "learning_rates": {"heads": 2e-3},
        "schedule": "cosine",
        "ema": {"decay": 0.9},
        "phases": [
            {"data_share": 0.5, "epochs": 3, "freeze": {"layers": 2}, "augment": {"speed": None}},
            {"epochs": 2},
            {"epochs": 2, "learning_rate": 5e-4, "freeze": {"layers": 0, "feature_encoder": False}},
        ],
    },
}
"""A recipe for every family of encoders: two tasks, three phases that unfreeze layers, averaged weights."""


@dataclass(frozen=True)
class Training:
    """A toy training. In arguments `{inputs}` is the folder of the inputs, `{runs}` that of the checkout's runs."""

    recipe: str
    arguments: tuple[str, ...]
    before: tuple[str, ...] = ()
    """Commands of soritune that make its corpus."""
    copied: str | None = None
    """Folder of the inputs that is first copied beside the runs, since a manifest's root depends on its location."""
    audio: str | None = None
    """Folder of audio files written by the commands; they are also compared."""
    base: str | None = None
    """The training whose bundle it starts from."""


def _on(recipe: str, corpus: str, *more: str) -> Training:
    return Training(recipe, (f"data={{inputs}}/{corpus}", "train.max_steps=3", *more))


def _tones(recipe: str, *more: str) -> Training:
    return _on(recipe, "tones/manifest.jsonl", "data.source=manifest", *more)


def _from_pilot(*more: str) -> Training:
    start = "model.init_from={runs}/child-phoneme/bundles/last"
    more = (*more, "--preset", "from-pilot", start, "batches.batch_size=2", "train.evaluate_every_steps=2")
    training = _on("child-phoneme-full", "pairs", *more)
    return Training(training.recipe, training.arguments, base="child-phoneme")


_CHILD = ("model.encoder={inputs}/deep-ctc", "batches.padded_seconds=8")
_SYNTHESIZE = (
    "synthesize {runs}/synthetic --hours 0.03 --val-hours 0.005 --test-hours 0.005 --seed 1 --workers 1"
)
_PREPARE = "prepare l2-json {runs}/learners --out {runs}/prepared --set name=speechocean762"
TRAININGS: dict[str, Training] = {
    "emotion-3class": _on("emotion-3class", "folders", "model.encoder={inputs}/layer-ctc"),
    "emotion-3class group-norm": _on(
        "emotion-3class",
        "folders",
        "--preset",
        "group-norm-base",
        "model.encoder={inputs}/group",
        "model.layerdrop=0.3",
    ),
    "emotion-4class": _on(
        "emotion-4class",
        "folders",
        "model.encoder={inputs}/group-classes",
        "model.gradient_checkpointing=true",
    ),
    "emotion-4class-text": _tones(
        "emotion-4class-text",
        "tasks.emotion.labels=[high, low]",
        "model.encoder={inputs}/layer-ctc",
        "tasks.emotion.text.encoder={inputs}/text",
    ),
    "child-phoneme": _on("child-phoneme", "pairs", *_CHILD),
    "child-phoneme layer-rates": _on("child-phoneme", "pairs", *_CHILD, "--preset", "layer-rates"),
    "child-phoneme full": _on("child-phoneme", "pairs", *_CHILD, "--preset", "full"),
    "child-phoneme-full": _on(
        "child-phoneme-full", "pairs", "model.encoder={inputs}/deep", "batches.batch_size=4"
    ),
    "child-phoneme-full from-pilot": _from_pilot(),
    "child-phoneme-full merged": _from_pilot("model.lora.rank=8"),
    "l2-multitask": _on("l2-multitask", "learners", "model.encoder={inputs}/group"),
    "l2-multitask aliases": _on(
        "l2-multitask",
        "learners",
        "model.encoder={inputs}/group-ctc",
        "gradient_accumulation=3",
        "sorting=descending",
        "wav2vec2_specaug=False",
        "task=phoneme",
    ),
    "quickstart": _tones("quickstart", "batches.padded_seconds=8"),
    "demo": Training(
        "demo",
        (
            "data={runs}/demo-corpus",
            "train.max_steps=3",
            "data.config.minutes=2",
            "data.config.speakers=9",
            "data.config.workers=1",
            "batches.padded_seconds=16",
        ),
        audio="demo-corpus",
    ),
    "ko-base": Training(
        "ko-base",
        (
            "data={runs}/synthetic/manifest.parquet",
            "model.encoder={inputs}/layer-ctc",
            "model.architecture={}",
            "tasks.phoneme.layer=[1, 2]",
            "batches.source_weights={}",
            "batches.padded_seconds=12",
            "augment.codec=null",
            "train.max_steps=3",
        ),
        before=(_SYNTHESIZE,),
        audio="synthetic",
    ),
    "bundled-encoder": Training(
        "bundled-encoder",
        (
            "data={runs}",
            "data.config.files=[synthetic/manifest.parquet,prepared/manifest.parquet]",
            "batches.source_weights={synthetic: 0.5, speechocean762: 3}",
            "batches.padded_seconds=12",
            "train.phases.1.max_steps=3",
            "train.phases.2.max_steps=3",
        ),
        before=(_SYNTHESIZE, _PREPARE),
        copied="learners",
        audio="synthetic",
    ),
} | {
    f"two-tasks {family} {norm}": _tones(
        "{inputs}/two-tasks.yaml",
        f"model.encoder={{inputs}}/{family}-{norm}",
        f"model.pooling={'attentive' if norm == 'layer' else 'mean'}",
    )
    for family in ("wav2vec2", "hubert", "wavlm")
    for norm in ("group", "layer")
}
"""Name → a training of three steps per phase; every recipe of the package has one."""
COMMON = (
    "train.device=cpu",
    "train.threads=1",
    "train.log_every_steps=1",
    "batches.num_workers=0",
)
CLIPS = ("long.flac", "stereo.wav", "tones/0.flac", "tones/7.flac", "tones/13.flac")
"""Clips that bundles predict: a file long enough for windows, one to resample and mix down, and short ones."""


def make_inputs(folder: Path, data: Path | None, clips: int | None) -> None:
    """Writes the encoders, the toy corpora and a manifest of the first `clips` real clips."""
    from true_size_inputs import json_pairs, second_language, speaker_folders

    _make_encoders(folder)
    speaker_folders(1, 21, 31, 91)(folder / "folders")
    json_pairs(12)(folder / "pairs")
    second_language(folder / "learners")
    _make_tones(folder / "tones")
    _make_long(folder)
    text = yaml.safe_dump(TWO_TASKS, allow_unicode=True, sort_keys=False)
    (folder / "two-tasks.yaml").write_text(text, encoding="utf-8")
    if data is not None:
        write_real(folder / "real.jsonl", data, clips)


def write_real(manifest: Path, data: Path, clips: int | None, *, repeated_to: int | None = None) -> int:
    """Writes a manifest of real clips with absolute paths; returns its number of rows."""
    lines = (data / CORPUS / "manifest.jsonl").read_text(encoding="utf-8").splitlines()[:clips]
    rows = []
    for number in range(repeated_to or len(lines)):
        row = json.loads(lines[number % len(lines)])
        row["audio"] = str((data / CORPUS / row["audio"]).resolve())
        row["duration_s"] = row.pop("duration")
        if repeated_to:
            row["id"] = f"{number:05d}-{row['id']}"
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    manifest.write_text("".join(rows), encoding="utf-8")
    return len(rows)


def _make_encoders(folder: Path) -> None:
    import transformers
    from true_size_inputs import child_vocabulary

    from soritune.testing import tiny_checkpoint, tiny_config, tiny_text_encoder

    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    first, added = child_vocabulary()
    phones: dict[str, Any] = {"head": "ctc", "vocabulary": [*first, *added]}
    classes: dict[str, Any] = {"head": "classification", "labels": ["Dry", "Kind", "Anxious", "Others"]}
    deep = tiny_config(norm="layer", layers=24)
    tiny_checkpoint(folder / "group", tiny_config(norm="group"), old_names=True)
    tiny_checkpoint(folder / "group-ctc", tiny_config(norm="group"), **phones)
    tiny_checkpoint(folder / "group-classes", tiny_config(norm="group"), **classes)
    tiny_checkpoint(folder / "layer-ctc", tiny_config(norm="layer"), old_names=True, **phones)
    tiny_checkpoint(folder / "deep", deep, old_names=True)
    tiny_checkpoint(folder / "deep-ctc", deep, old_names=True, **phones)
    tiny_text_encoder(folder / "text", TEXTS)
    for family in ("wav2vec2", "hubert", "wavlm"):
        for norm in ("group", "layer"):
            tiny_checkpoint(folder / f"{family}-{norm}", tiny_config(family, norm, layers=3))


def _make_tones(folder: Path) -> None:
    """36 clips of 0.5 to 1.4 s by six speakers, with text and style."""
    folder.mkdir(parents=True)
    rows = []
    for number in range(36):
        rng = np.random.default_rng(number)
        moments = np.arange(int(16000 * (0.5 + 0.9 * rng.random()))) / 16000
        speaker, style, pitch = number // 6, *(("high", 320.0) if number % 2 else ("low", 150.0))
        wave = 0.3 * np.sin(2 * np.pi * (pitch + 6 * speaker) * moments)
        wave += 0.02 * rng.standard_normal(len(moments))
        soundfile.write(folder / f"{number}.flac", wave, 16000, subtype="PCM_16")
        row = {"id": f"u{number:02d}", "audio": f"{number}.flac", "duration_s": len(moments) / 16000}
        row |= {"sample_rate_hz": 16000, "speaker": f"s{speaker}", "gender": "f" if speaker % 2 else "m"}
        row |= {"text": TEXTS[number % len(TEXTS)], "emotion": style}
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "manifest.jsonl").write_text("".join(rows), encoding="utf-8")


def _make_long(folder: Path) -> None:
    """75 s at 16 kHz, and 2 s in stereo at 44.1 kHz: tones that change every half second, with noise."""
    for name, seconds, rate, channels in (("long.flac", 75, 16000, 1), ("stereo.wav", 2, 44100, 2)):
        rng = np.random.default_rng(seconds)
        pitch = np.repeat(rng.uniform(110, 400, 2 * seconds), rate // 2)
        wave = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / rate)[:, None]
        noisy = wave + 0.02 * rng.standard_normal((len(wave), channels))
        soundfile.write(folder / name, noisy, rate, subtype="PCM_16")
