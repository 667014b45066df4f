"""Corpora in the layouts of the built-in recipes, and a finished run on one of them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.conftest import STYLES, TEXTS, write_tones
from tests.stages.toy_recipes import emotion
from tests.test_l2_multitask import write_corpus

from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.stages.run import RunResult, run

NUMBERS = {"Anxious": 21, "Kind": 31, "Dry": 91}


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROOT/<person>/wav_48000/<person>_<number>.wav as the emotion corpus lies, 9 persons, with a few bad files."""
    root = tmp_path_factory.mktemp("말뭉치 나무")
    for s in range(9):
        person = f"{'F' if s % 2 else 'M'}2{s:03d}"
        folder = root / person / "wav_48000"
        folder.mkdir(parents=True)
        for style, pitch in STYLES.items():
            for n in range(3):
                rng = np.random.default_rng((s, n, int(pitch)))
                time = np.arange(int(48000 * (0.4 + 0.4 * rng.random()))) / 48000
                wave = 0.3 * np.sin(2 * np.pi * (pitch + 6 * s) * time) + 0.01 * rng.standard_normal(
                    len(time)
                )
                suffix = ".WAV" if n == 1 else ".wav"
                soundfile.write(
                    folder / f"{person}_{NUMBERS[style] + n:06d}{suffix}", wave, 48000, format="WAV"
                )
        soundfile.write(
            folder / f"{person}_000001.wav", np.zeros(4800), 48000
        )  # silence, and no label among three
        noise = 0.1 * np.random.default_rng(s).standard_normal(30000)
        soundfile.write(folder / f"{person}_000101.wav", noise, 48000)  # one of the others among four labels
    bad = root / "F2001" / "wav_48000"
    (bad / "F2001_000025.wav").write_bytes(b"")
    (bad / "F2001_000026.wav").write_bytes((bad / "F2001_000021.wav").read_bytes()[:60])
    broken = np.full(24000, np.nan, dtype=np.float32)
    soundfile.write(bad / "F2001_000027.wav", broken, 48000, subtype="FLOAT")
    soundfile.write(bad / "F2001_000028.wav", np.ones(2400) * 0.1, 48000)  # 0.05 s
    return root


@pytest.fixture(scope="session")
def scripted_tree(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tree` with script.txt, in which every file has a text of its own."""
    root = tmp_path_factory.mktemp("scripted") / "tree"
    shutil.copytree(tree, root)
    for person in root.iterdir():
        names = sorted(file.stem for file in (person / "wav_48000").iterdir())
        lines = [f"{name}\t가나 {name} 다라\n" for name in names]
        (person / "script.txt").write_text("".join(lines), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ROOT/1.Training/<speaker>/<n>.wav with a JSON beside it, 2.Validation_split and 3.Test."""
    root = tmp_path_factory.mktemp("아동 음성")
    for split, speakers in (("1.Training", 4), ("2.Validation_split", 1), ("3.Test", 2)):
        for s in range(speakers):
            folder = root / split / f"C{split[0]}{s:02d}"
            folder.mkdir(parents=True)
            for n in range(4):
                rng = np.random.default_rng((int(split[0]), s, n))  # no two files are copies
                soundfile.write(folder / f"{n}.wav", 0.2 * rng.standard_normal(16000 + 4000 * n), 16000)
                text = {"stt": TEXTS[(s + n) % len(TEXTS)]}
                label = {"발화정보": text, "녹음자정보": {"recorderId": folder.name, "age": f"{6 + s}세"}}
                (folder / f"{n}.json").write_text(json.dumps(label, ensure_ascii=False), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def learners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train_data.json, val_data.json and eval.json."""
    return write_corpus(tmp_path_factory.mktemp("learners"))


@pytest.fixture(scope="session")
def finished(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    folder = tmp_path_factory.mktemp("runs") / "emotion"
    return folder, run(emotion(tree, "train.epochs=2"), folder)


@pytest.fixture
def two_languages(tmp_path: Path) -> Path:
    """Korean phones of four speakers, whose split is given, and English ones of two, all in training."""
    folder = tmp_path / "two-languages"
    folder.mkdir()
    parts = {"s0": "train", "s1": "train", "s2": "val", "s3": "test"}
    learners = itertools.cycle(("speechocean762", "speechocean762_train"))
    rows = []
    for row in write_tones(folder, per_style=8):
        if row.speaker in parts:
            fields = {"language": "ko", "phones": ("G", "A", "|", "N", "A"), "source": "synthetic"}
        else:
            fields = {
                "language": "en",
                "canonical": ("dh", "ah"),
                "perceived": ("d", "ah"),
                "source": next(learners),
            }
        rows.append(dataclasses.replace(row, **fields, extra={"split": parts.get(str(row.speaker), "train")}))
    return write_manifest(folder / "manifest.parquet", rows, root=folder).root / "manifest.parquet"


@pytest.fixture
def one_language(two_languages: Path) -> Path:
    """The same with Korean phones for the English speakers too, as the nearest ones."""
    manifest = load_manifest(two_languages)
    rows = [dataclasses.replace(row, phones=row.phones or ("D", "A")) for row in manifest]
    path = two_languages.with_name("korean.parquet")
    write_manifest(path, rows, root=manifest.root)
    return path
