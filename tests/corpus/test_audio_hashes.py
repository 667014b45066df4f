"""Hashes by which the same recording is found under another name, in another format, or as a part of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.audio.resample import resample
from soritune.corpus.audio_hashes import (
    Hashed,
    audio_hashes,
    hash_samples,
    save_audio_hashes,
    stored_audio_hashes,
)
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance


def noise(seed: int, seconds: float = 0.5, rate: int = 16000) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, round(seconds * rate)).astype(np.int16)


def corpus(folder: Path) -> Manifest:
    """a and b: one recording as WAV and FLAC; c: others of the same length; d: a with 48 kHz; e: a part of a file."""
    one, other = noise(0), noise(1)
    soundfile.write(folder / "a.wav", one, 16000)
    soundfile.write(folder / "b.flac", one, 16000)
    soundfile.write(folder / "c.wav", other, 16000)
    soundfile.write(folder / "both.wav", np.stack([one, one], axis=1), 16000)
    soundfile.write(folder / "long.wav", np.concatenate([other, one, other]), 16000)
    soundfile.write(folder / "silent.wav", np.zeros(8000), 16000)
    soundfile.write(folder / "short.wav", one[:4000], 16000)
    names = ("a.wav", "b.flac", "c.wav", "both.wav", "silent.wav", "short.wav", "missing.wav")
    rows = [Utterance(id=name, audio=name, duration_s=0.25 if name == "short.wav" else 0.5) for name in names]
    rows.append(Utterance(id="part", audio="long.wav", start_s=0.5, duration_s=0.5))
    return write_manifest(folder / "m.parquet", rows, root=folder)


def decoded(manifest: Manifest, **options: Any) -> Hashed:
    hashed = audio_hashes(manifest, **options)
    assert hashed is not None
    return hashed


def test_the_same_samples_have_one_hash_in_any_format_channel_and_file(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    hashes, _, num_unread = decoded(manifest)
    of = dict(zip(manifest.ids, hashes.tolist(), strict=True))
    assert of["a.wav"] == of["b.flac"] == of["both.wav"] == of["part"] != 0
    assert of["c.wav"] not in (0, of["a.wav"])
    assert num_unread == 1 and of["missing.wav"] == 0


def test_silence_is_not_a_copy_of_silence() -> None:
    assert hash_samples(np.zeros(100, dtype=np.float32)) == 0
    assert hash_samples(np.full(100, 1e-6, dtype=np.float32)) == 0
    assert hash_samples(np.full(100, 0.1, dtype=np.float32)) == 0
    assert hash_samples((noise(0) * 1e-42).astype(np.float32)) == 0
    assert hash_samples(noise(0).astype(np.float32) / 32768) != 0


def test_resampled_offset_is_not_a_copy() -> None:
    waveform = resample(np.full(44100, 0.25, dtype=np.float32), 44100, 16000)
    assert waveform.std() > 0
    assert hash_samples(waveform) == 0


def test_rows_of_a_length_of_their_own_are_not_decoded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "alone.wav", noise(2, 3.0), 16000)
    rows = [*corpus(tmp_path), Utterance(id="alone", audio="alone.wav", duration_s=3.0)]
    manifest = write_manifest(tmp_path / "n.parquet", rows, root=tmp_path)
    done: list[tuple[int, int]] = []
    hashed = decoded(manifest, progress=lambda *counts: done.append(counts))
    assert done[-1] == (8, 8) and hashed.hashes[8] == 0
    compared = decoded(manifest, durations_s=np.array([2.9, 9.0])).hashes
    assert np.flatnonzero(compared).tolist() == [8]


def test_no_row_is_compared_in_an_empty_manifest_or_with_no_others(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    assert decoded(manifest.select([])).hashes.tolist() == []
    assert not decoded(manifest, durations_s=np.zeros(0)).hashes.any()


def test_stored_hashes_are_those_of_the_same_rows_only(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    assert stored_audio_hashes(manifest) is None
    values = np.arange(1, len(manifest) + 1, dtype=np.uint64) + np.uint64(2**63)
    sounds = np.arange(len(manifest) * 256, dtype=np.int64).astype(np.int8).reshape(-1, 256)
    save_audio_hashes(tmp_path, manifest, Hashed(values, sounds))
    stored = stored_audio_hashes(manifest)
    assert stored is not None and stored.likeness is not None
    assert (stored.hashes == values).all() and (stored.likeness == sounds).all()
    assert decoded(manifest).hashes.tolist() == values.tolist()
    part = stored_audio_hashes(manifest.select([5, 0]))
    assert part is not None and part.likeness is not None
    assert part.hashes.tolist() == values[[5, 0]].tolist()
    assert (part.likeness == sounds[[5, 0]]).all()
    changed = [replace(row, text="다른 글") for row in manifest]
    assert stored_audio_hashes(write_manifest(tmp_path / "n.parquet", changed, root=tmp_path)) is None
    (tmp_path / "audio_hashes.parquet").write_bytes(b"not parquet")
    assert stored_audio_hashes(manifest) is None


def test_likeness_is_optional_in_the_file(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    save_audio_hashes(tmp_path, manifest, Hashed(np.ones(len(manifest), dtype=np.uint64)))
    stored = stored_audio_hashes(manifest)
    assert stored is not None and stored.likeness is None


def test_no_row_is_decoded_if_too_many_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, num_read = corpus(tmp_path), 0

    def read(*_: object) -> np.ndarray:
        nonlocal num_read
        num_read += 1
        return np.zeros(8000, dtype=np.float32)

    monkeypatch.setattr("soritune.corpus.audio_hashes.read_row", read)
    monkeypatch.setattr("soritune.corpus.audio_hashes.MOST_DECODED", len(manifest) - 1)
    assert audio_hashes(manifest) is None and num_read == 0
    # Rows that no other one can be a copy of are not counted.
    assert audio_hashes(manifest, durations_s=np.array([9.0])) is not None
    monkeypatch.setattr("soritune.corpus.audio_hashes.MOST_DECODED", len(manifest))
    assert audio_hashes(manifest) is not None and num_read == len(manifest)


def test_a_stored_file_is_used_for_any_number_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = corpus(tmp_path)
    monkeypatch.setattr("soritune.corpus.audio_hashes.MOST_DECODED", 0)
    values = np.arange(1, len(manifest) + 1, dtype=np.uint64)
    save_audio_hashes(tmp_path, manifest, Hashed(values))
    assert decoded(manifest).hashes.tolist() == values.tolist()
