from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.audio.augment.settings import AugmentSettings
from soritune.audio.preprocessing import Preprocessing
from soritune.corpus.audio_hashes import Hashed, save_audio_hashes
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.errors import AudioError
from soritune.training.batches.state_keys import KeyedRows, RowKeys, encoder_digest
from soritune.training.batches.state_store import EncodedClip, StateStore

SPEED = {"speed": {"probability": 0.5}}


def keys_of(manifest: Manifest, augment: dict[str, Any] | None = None, **changes: Any) -> RowKeys:
    given = {"encoder": "e", "preprocessing": Preprocessing(), "seed": 0, "phase": 0, "copies": 2} | changes
    return RowKeys(manifest, augment=AugmentSettings.model_validate(augment or {}), **given)


def test_key_changes_with_everything_that_states_depend_on(tones: Manifest) -> None:
    plain = keys_of(tones)
    assert plain.plain(0) == keys_of(tones).plain(0) == plain.copy(0, 1)
    others = {
        plain.plain(1),
        keys_of(tones, encoder="f").plain(0),
        keys_of(tones, preprocessing=Preprocessing(max_duration_s=0.5)).plain(0),
        keys_of(tones, SPEED).copy(0, 0),
        keys_of(tones, SPEED).copy(0, 1),
        keys_of(tones, SPEED).copy(1, 0),
        keys_of(tones, SPEED, seed=1).copy(0, 0),
        keys_of(tones, SPEED, phase=1).copy(0, 0),
        keys_of(tones, {"speed": {"probability": 0.6}}).copy(0, 0),
    }
    assert len(others) == 9 and plain.plain(0) not in others
    # Without augmentation the seed changes nothing, so seeds and folds share states.
    assert keys_of(tones, seed=1, phase=2).plain(0) == keys_of(tones, SPEED).plain(0) == plain.plain(0)


def test_key_changes_with_the_recordings_of_an_augmentation(tones: Manifest, tmp_path: Path) -> None:
    file = tmp_path / "noise" / "a.wav"
    file.parent.mkdir()
    soundfile.write(file, np.random.default_rng(0).uniform(-0.1, 0.1, 16000), 16000)
    augment = {"noise_files": {"folder": str(tmp_path / "noise"), "licence": "own"}}
    before = keys_of(tones, augment).copy(0, 0)
    assert keys_of(tones, augment).copy(0, 0) == before
    soundfile.write(file, np.random.default_rng(1).uniform(-0.1, 0.1, 17000), 16000)
    assert keys_of(tones, augment).copy(0, 0) != before


def test_equal_sound_has_an_equal_key_in_another_manifest(tones: Manifest, tmp_path: Path) -> None:
    rows = [replace(row, id=f"other-{row.id}", speaker="x") for row in reversed(list(tones))]
    other = load_manifest(write_manifest(tmp_path / "m.parquet", rows, root=tones.root).path)
    assert keys_of(other).plain(0) == keys_of(tones).plain(len(tones) - 1)


def test_stored_hashes_are_used_and_equal_those_of_the_samples(tones: Manifest, tmp_path: Path) -> None:
    from soritune.corpus.audio_hashes import hash_samples, read_row

    copied = load_manifest(write_manifest(tmp_path / "m.parquet", list(tones), root=tones.root).path)
    decoded = keys_of(copied).plain(0)
    hashes = np.array([hash_samples(read_row(copied, row)) for row in copied], np.uint64)
    save_audio_hashes(tmp_path, copied, Hashed(hashes))
    assert keys_of(copied).plain(0) == decoded
    save_audio_hashes(tmp_path, copied, Hashed(hashes + np.uint64(1)))
    assert keys_of(copied).plain(0) != decoded


def test_versions_take_turns_over_epochs_and_visits(tones: Manifest) -> None:
    keys = keys_of(tones, SPEED, copies=3)
    assert [keys.copy_of(5, epoch) for epoch in range(4)] == [0, 1, 2, 0]
    assert [keys.copy_of(5 + visit * len(tones), 1) for visit in range(3)] == [1, 2, 0]


def test_row_without_states_is_a_row_that_cannot_be_read(tones: Manifest, tmp_path: Path) -> None:
    store, keys = StateStore(tmp_path), keys_of(tones, SPEED)
    store.put({keys.copy(3, 1): EncodedClip(7, np.ones((1, 1, 2), np.float16))})
    rows = KeyedRows(store, keys, augmented=True, shape=(1, 2))
    assert rows(3, 1).num_samples == rows(3 + len(tones), 0).num_samples == 7
    with pytest.raises(AudioError, match="could not be read when the encoder's states were computed"):
        rows(3, 0)


def test_digest_of_an_encoder_changes_with_weights_settings_and_what_is_kept() -> None:
    weights = {"a": np.ones(3, np.float32), "b": np.zeros(2, np.float32)}
    digest = encoder_digest(weights, {"x": 1}, ["last"])
    assert digest == encoder_digest(dict(reversed(weights.items())), {"x": 1}, ["last"])
    assert digest != encoder_digest({**weights, "b": np.ones(2, np.float32)}, {"x": 1}, ["last"])
    assert digest != encoder_digest(weights, {"x": 2}, ["last"])
    assert digest != encoder_digest(weights, {"x": 1}, [1, "last"])
