"""Rows of different splits that sound the same are reported, under whatever name and format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import Splits, SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.stages.compared_audio import compare_audio


def tune(seed: int) -> np.ndarray:
    """A second of eight chords that no other seed has."""
    rng, time = np.random.default_rng(seed), np.arange(2000) / 16000
    chords = [sum(np.sin(2 * np.pi * f * time) for f in rng.uniform(150, 6000, 3)) for _ in range(8)]
    return np.concatenate(chords).astype(np.float32) / 10


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Six tunes in three given parts; `quiet` in test is the tune `a` of train, as MP3 and quieter."""
    tunes = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}
    for name, seed in tunes.items():
        soundfile.write(tmp_path / f"{name}.wav", tune(seed), 16000)
    soundfile.write(tmp_path / "quiet.mp3", tune(0) / 3, 16000)
    parts = {
        "a.wav": "train",
        "b.wav": "train",
        "c.wav": "val",
        "d.wav": "val",
        "e.wav": "test",
        "quiet.mp3": "test",
    }
    rows = [
        Utterance(id=name, audio=name, duration_s=1.0, speaker=name, extra={"part": part})
        for name, part in parts.items()
    ]
    return write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)


def warned(manifest: Manifest, splits: Splits, **options: str) -> list[str]:
    before = list(splits.policy["warnings"])
    compare_audio(manifest, options.get("copies", "apart")).warn(splits, manifest)  # type: ignore[arg-type]
    return [sentence for sentence in splits.policy["warnings"] if sentence not in before]


def test_a_copy_in_another_split_is_reported(manifest: Manifest) -> None:
    (sentence,) = warned(manifest, make_splits(manifest, SplitSettings(given="part")))
    assert sentence.startswith(
        "1 pair of recordings in different splits sounds the same, such as 'a.wav' and 'quiet.mp3';"
    )


def test_copies_in_one_split_are_not_reported(manifest: Manifest) -> None:
    part = manifest.select([0, 1, 5])
    splits = make_splits(part, SplitSettings(by=("random",), ratios={"train": 1.0, "val": 0.0, "test": 0.0}))
    assert warned(part, splits) == []


def test_audio_is_not_compared_on_request(manifest: Manifest) -> None:
    splits = make_splits(manifest, SplitSettings(given="part"))
    assert warned(manifest, splits, copies="ignore") == []


def test_unread_rows_are_counted(manifest: Manifest) -> None:
    (manifest.root / "quiet.mp3").unlink()
    splits = make_splits(manifest, SplitSettings(given="part"))
    assert warned(manifest, splits) == [
        "the audio of 1 row could not be read, so it was not compared with that of others"
    ]


def test_a_corpus_too_large_to_decode_is_reported(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soritune.corpus.audio_hashes.MOST_DECODED", 2)
    (sentence,) = warned(manifest, make_splits(manifest, SplitSettings(given="part")))
    assert sentence.startswith("audio was not compared") and "run check first" in sentence
    assert compare_audio(manifest, "apart").hashes is None


def test_rows_with_the_same_samples_are_one_recording_of_a_pair(manifest: Manifest) -> None:
    """`a.wav` is in val as well, so its copy in train is apart from a row of it, whichever row is compared."""
    extra = [
        Utterance(id="again", audio="a.wav", duration_s=1.0, speaker="x", extra={"part": "val"}),
        Utterance(id="near", audio="near.mp3", duration_s=1.0, speaker="y", extra={"part": "train"}),
    ]
    soundfile.write(manifest.root / "near.mp3", tune(0), 16000)
    rows = [row for row in manifest if row.id != "quiet.mp3"] + extra
    manifest = write_manifest(manifest.root / "n.parquet", rows, root=manifest.root)
    audio = compare_audio(manifest, "allow")
    assert audio.pairs is not None and len(audio.pairs.first) == 1
    (sentence,) = warned(manifest, make_splits(manifest, SplitSettings(given="part", copies="allow")))
    assert "such as 'again' and 'near';" in sentence
