"""The contract of backends, for every member of the folder."""

import inspect

import pytest

from soritune.inference.backends.backend import OpenBackend
from soritune.registry import load_member, members

NAMES = list(members("soritune.inference.backends", "BACKEND"))


def test_pytorch_is_a_backend():
    assert "pytorch" in NAMES
    assert "backend" not in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_backend_is_opened_with_path_device_and_base(name):
    contract = inspect.signature(OpenBackend.__call__).parameters
    opener = load_member("soritune.inference.backends", "BACKEND", name, "backend")
    parameters = inspect.signature(opener).parameters
    assert list(parameters) == [each for each in contract if each != "self"]
    assert parameters["device"].kind is parameters["base"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["base"].default is None
