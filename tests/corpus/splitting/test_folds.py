"""Folds: every utterance tested once, by what knew neither its speaker nor its sentence."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits
from soritune.corpus.utterance import Utterance
from soritune.errors import SplitError

DATA = Path(os.environ.get("SORITUNE_DATA") or Path(__file__).parents[3] / "shared" / "data")


def corpus(folder: Path, speakers: int = 6, each: int = 12, shared: bool = False) -> Manifest:
    rows = [
        Utterance(
            id=f"s{s}_{n}",
            audio="a",
            duration_s=1.0 + n % 3,
            speaker=f"s{s}",
            text=f"문장 {n}" if shared else f"문장 {s} {n}",
            emotion="ab"[n % 2],
        )
        for s in range(speakers)
        for n in range(each)
    ]
    return write_manifest(folder / f"f{shared}{speakers}.parquet", rows, root=folder)


def times(folds: list[Splits]) -> Counter[str]:
    return Counter(name for splits in folds for name in splits.ids("test"))


def test_every_fold_leaves_one_speaker_out(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    folds = make_folds(manifest)
    assert len(folds) == 6
    assert times(folds) == Counter(manifest.ids)
    for number, splits in enumerate(folds, start=1):
        summary = splits.summary(manifest)
        assert [summary[name]["speakers"] for name in ("train", "val", "test")] == [4, 1, 1]
        assert splits.policy["fold"]["number"] == number
        assert splits.policy["fold"]["test_speakers"] == [f"s{number - 1}"]
        assert splits.policy["overlap"]["test"] == {"speaker": 0.0, "script": 0.0}


def test_groups_of_speakers_are_even(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, speakers=12)
    folds = make_folds(manifest, folds=4, stratify=("emotion",))
    assert [splits.summary(manifest)["test"]["speakers"] for splits in folds] == [3, 3, 3, 3]
    assert times(folds) == Counter(manifest.ids)


def test_shared_sentences_are_divided_into_blocks(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, shared=True)
    folds = make_folds(manifest, group_by=("speaker", "script"), folds=3, stratify=("emotion",))
    assert len(folds) == 15
    assert times(folds) == Counter(manifest.ids)
    for splits in folds:
        assert splits.policy["overlap"]["test"] == {"speaker": 0.0, "script": 0.0}
        assert splits.ids("train")
    only_speaker = make_folds(manifest, folds=3)
    assert only_speaker[0].policy["overlap"]["test"]["script"] == 1.0


def test_sentences_of_one_speaker_each_need_no_blocks(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    assert len(make_folds(manifest, group_by=("speaker", "script"))) == 6
    assert len(make_folds(manifest, group_by=("speaker", "script"), script_blocks=2)) == 12


def test_validation_by_the_training_speaker_is_warned_of(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, speakers=2)
    folds = make_folds(manifest)
    for splits in folds:
        assert splits.ids("val")
        assert (
            "only one speaker is left for training, so validation has the same speaker"
            in splits.policy["warnings"]
        )
        assert splits.policy["overlap"]["val"] == {"speaker": 1.0, "script": 0.0}
        assert splits.policy["overlap"]["test"]["speaker"] == 0.0
    assert make_folds(manifest, val_share=0.0)[0].ids("val") == []


def test_impossible_folds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="1 speakers make no leave-one-out folds"):
        make_folds(corpus(tmp_path, speakers=1))
    with pytest.raises(SplitError, match="folds must be from 2 to 6"):
        make_folds(corpus(tmp_path), folds=7)
    with pytest.raises(SplitError, match="got gender"):
        make_folds(corpus(tmp_path), group_by=("gender",))
    with pytest.raises(SplitError, match="cannot be cut into 99 blocks"):
        make_folds(corpus(tmp_path, shared=True), group_by=("speaker", "script"), script_blocks=99)
    with pytest.raises(SplitError, match="all its sentences are in test too"):
        make_folds(corpus(tmp_path, shared=True), group_by=("speaker", "script"), script_blocks=1)


@pytest.mark.skipif(
    not (DATA / "ko_emotion_selvas").is_dir(), reason="SORITUNE_DATA has no ko_emotion_selvas"
)
def test_real_corpus_of_two_sentence_sets_is_tested_once() -> None:
    manifest = load_manifest(DATA / "ko_emotion_selvas" / "manifest.jsonl", fields={"duration_s": "duration"})
    folds = make_folds(manifest, group_by=("speaker", "script"), stratify=("emotion",))
    assert len(folds) == 45  # 9 speakers × 5 blocks: each sub-corpus has 5 sentences per emotion
    assert times(folds) == Counter(manifest.ids)
    for splits in folds:
        assert splits.policy["overlap"]["test"] == {"speaker": 0.0, "script": 0.0}
        assert set(splits.summary(manifest, ["emotion"])["train"]["labels"]["emotion"].values()) != {0}


def test_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="the seed is -1"):
        make_folds(corpus(tmp_path), folds=3, seed=-1)
