"""The names of `soritune.korean`, which load on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import soritune.korean
from soritune.korean import g2p, layout, normalization, phones, pronounced_text

FILES = (g2p, layout, normalization, phones, pronounced_text)


@pytest.mark.parametrize("name", soritune.korean.__all__)
def test_public_name_is_that_of_one_file(name: str) -> None:
    found = [getattr(file, name) for file in FILES if hasattr(file, name)]
    assert getattr(soritune.korean, name) in found


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'soritune\.korean' has no attribute 'pronounse'"):
        _ = soritune.korean.pronounse


def test_letters_load_no_rules() -> None:
    code = "import sys, soritune.korean.hangul; print('soritune.korean.normalization' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
