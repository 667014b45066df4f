from __future__ import annotations

import numpy as np
import pytest
import torch

from soritune.training.batches.batch import Batch, Target


@pytest.fixture
def batch() -> Batch:
    """Two rows of 3 and 5 samples."""
    return Batch(
        inputs={"waveform": torch.zeros(2, 5), "num_samples": torch.tensor([3, 5])},
        targets={
            "phoneme": Target(
                torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), torch.tensor([True, True]), 3.0
            )
        },
        rows=np.array([7, 9]),
        seed=4,
        audio_s=0.5,
        masked_share=0.25,
        failed=[(9, "too short")],
        unread=frozenset({9}),
    )


def test_padded_samples_are_rows_times_the_longest(batch: Batch) -> None:
    assert (batch.longest_samples, batch.padded_samples) == (5, 10)


def test_all_tensors_move_and_everything_else_is_kept(batch: Batch) -> None:
    moved = batch.to(torch.device("meta"))
    target = moved.targets["phoneme"]
    tensors = [*moved.inputs.values(), target.values, target.lengths, target.present]
    assert all(tensor.device.type == "meta" for tensor in tensors) and len(tensors) == 5
    assert target.count == 3.0
    assert (moved.rows.tolist(), moved.seed, moved.audio_s, moved.masked_share) == ([7, 9], 4, 0.5, 0.25)
    assert (moved.failed, moved.unread) == ([(9, "too short")], frozenset({9}))
    assert all(tensor.device.type == "cpu" for tensor in batch.inputs.values())


def test_all_tensors_are_pinned(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinning needs a GPU; here it adds 1."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor + 1)
    pinned = batch.pin_memory()
    assert pinned.inputs["num_samples"].tolist() == [4, 6]
    assert pinned.targets["phoneme"].lengths.tolist() == [3, 2]
    assert pinned.targets["phoneme"].values.tolist() == [[2, 3], [4, 1]]
    assert pinned.targets["phoneme"].count == 3.0
