from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from soritune.errors import TrainingError
from soritune.training.batches.state_store import EncodedClip, StateStore


def clip(frames: int, value: float, num_samples: int = 100) -> EncodedClip:
    return EncodedClip(num_samples, np.full((frames, 2, 3), value, np.float16))


def test_clips_come_back_as_they_were_written_also_in_another_process(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "states")
    assert "a" not in store and store.get("a") is None and store.num_bytes == 0
    store.put({"a": clip(4, 0.5, 640), "b": clip(1, -2.0)})
    for other in (store, StateStore(tmp_path / "states"), pickle.loads(pickle.dumps(store))):
        found = other.get("a")
        assert found is not None and found.num_samples == 640
        assert found.states.shape == (4, 2, 3) and (found.states == 0.5).all()
        assert "b" in other and len(other) == 2
    assert store.num_bytes > 2 * 3 * 5 * 2


def test_files_of_other_processes_are_found_after_a_refresh(tmp_path: Path) -> None:
    first, second = StateStore(tmp_path), StateStore(tmp_path)
    second.put({"a": clip(1, 1.0)})
    assert "a" not in first
    first.refresh()
    assert "a" in first


def test_same_clips_written_twice_take_one_file(tmp_path: Path) -> None:
    for _ in range(2):
        StateStore(tmp_path).put({"a": clip(1, 1.0), "b": clip(2, 1.0)})
    StateStore(tmp_path).put({})
    assert len(list(tmp_path.iterdir())) == 1


def test_damaged_file_is_removed_and_its_clips_are_missing(tmp_path: Path) -> None:
    StateStore(tmp_path).put({"a": clip(1, 1.0)})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    store = StateStore(tmp_path)
    assert store.num_damaged == 1 and "a" not in store and not file.exists()


def test_file_that_is_removed_while_it_is_used_is_reported(tmp_path: Path) -> None:
    StateStore(tmp_path).put({"a": clip(1, 1.0)})
    store = StateStore(tmp_path)
    (file,) = tmp_path.iterdir()
    file.unlink()
    with pytest.raises(TrainingError, match="cannot be read any more.*resume the run"):
        store.get("a")
