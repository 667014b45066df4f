from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from soritune.models.model import ModelOutput
from soritune.testing import class_output, ctc_output
from soritune.training.batches.batch import Batch, Target
from soritune.training.losses import losses

CLASSES = class_output()
PHONES = ctc_output()


def model_of(logits: dict[str, torch.Tensor], frames: list[int]) -> Any:
    class Model(torch.nn.Module):
        outputs = (CLASSES, PHONES)

        def forward(self, waveform: torch.Tensor) -> ModelOutput:
            return ModelOutput(logits, torch.tensor(frames))

    return Model()


@pytest.fixture
def batch() -> Batch:
    """Two rows; the second has no class."""
    labels = len(CLASSES.labels)
    return Batch(
        {"waveform": torch.zeros(2, 10)},
        {
            CLASSES.name: Target(
                torch.eye(labels)[[1, 0]], torch.zeros(2, dtype=torch.int64), torch.tensor([True, False]), 1.0
            ),
            PHONES.name: Target(
                torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), torch.tensor([True, True]), 3.0
            ),
        },
        np.array([0, 1]),
        seed=0,
    )


def test_uniform_predictions_have_the_loss_of_the_definition(batch: Batch) -> None:
    """Cross-entropy of one row is log(labels). CTC sums over paths: with p = 1 / symbols in every frame, two symbols in
    3 frames have 5 paths (aab, abb, -ab, a-b, ab-), one symbol in 2 frames has 3 (aa, -a, a-)."""
    symbols, labels = len(PHONES.labels), len(CLASSES.labels)
    logits = {CLASSES.name: torch.zeros(2, labels), PHONES.name: torch.zeros(2, 3, symbols)}
    output, by_output = losses(model_of(logits, [3, 2]), batch)
    assert output.num_frames.tolist() == [3, 2]
    assert float(by_output[CLASSES.name].total) == pytest.approx(np.log(labels), rel=1e-6)
    ctc = -np.log(5 * symbols**-3.0) - np.log(3 * symbols**-2.0)
    assert float(by_output[PHONES.name].total) == pytest.approx(ctc, rel=1e-6)
    assert (float(by_output[CLASSES.name].count), float(by_output[PHONES.name].count)) == (1.0, 3.0)


def test_wrapped_model_is_called_instead(batch: Batch) -> None:
    zeros = {
        CLASSES.name: torch.zeros(2, len(CLASSES.labels)),
        PHONES.name: torch.zeros(2, 3, len(PHONES.labels)),
    }
    inner: Any = SimpleNamespace(outputs=(CLASSES, PHONES))
    _, by_output = losses(inner, batch, wrapped=model_of(zeros, [3, 2]))
    assert set(by_output) == {CLASSES.name, PHONES.name}
