from __future__ import annotations

import math

import pytest
import torch

from soritune.models.losses.cells import labelled_cells
from soritune.tasks.specs import OutputSpec

SPEC = OutputSpec("tone", ("low", "high"), "frame", "cross_entropy")


def test_frames_count_up_to_the_shorter_of_target_and_utterance() -> None:
    logits = torch.full((3, 6, 2), math.nan)
    cells = labelled_cells(
        SPEC,
        logits,
        torch.tensor([4, 2, 4]),
        torch.zeros(3, 4, 2),
        torch.tensor([3, 4, 4]),
        torch.tensor([True, True, False]),
    )
    expected = [[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert cells.counted[..., 0].int().tolist() == expected
    # Logits beyond the targets are cut off; on frames that do not count they are zero, whatever they were.
    assert cells.logits.shape == (3, 4, 2)
    assert torch.equal(cells.logits.isnan(), cells.counted.expand(-1, -1, 2))


def test_more_targets_than_logits_are_refused() -> None:
    labelled = torch.ones(1, dtype=torch.bool)
    with pytest.raises(ValueError, match="'tone' has targets for 5 frames, logits for 4"):
        labelled_cells(SPEC, torch.zeros(1, 4, 2), torch.tensor([4]), torch.zeros(1, 5, 2), None, labelled)
