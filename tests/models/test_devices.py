from __future__ import annotations

import pytest
import torch

from soritune.errors import ModelError
from soritune.models.devices import pick_device


def test_known_devices_are_picked() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "device 'gpu' is unknown; use auto, cpu, cuda or cuda:INDEX"),
        ("mps", "device 'mps' is not supported"),
        ("cuda:99", "device 'cuda:99' is requested, but"),
    ],
)
def test_device_that_is_missing_is_refused(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        pick_device(name)
