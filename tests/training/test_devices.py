from __future__ import annotations

import pytest
import torch

from soritune.errors import TrainingError
from soritune.training.config import TrainingSettings
from soritune.training.devices import make_accelerator


def test_precision_depends_on_the_device() -> None:
    assert make_accelerator(TrainingSettings(device="cpu")).mixed_precision == "no"
    assert make_accelerator(TrainingSettings(device="cpu", precision="bf16")).mixed_precision == "bf16"
    assert make_accelerator(TrainingSettings(device="cpu")).gradient_accumulation_steps == 1
    with pytest.raises(TrainingError, match="fp16 needs a GPU"):
        make_accelerator(TrainingSettings(device="cpu", precision="fp16"))


def test_threads_are_set() -> None:
    before = torch.get_num_threads()
    try:
        make_accelerator(TrainingSettings(device="cpu", threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
