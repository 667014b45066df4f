from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from soritune.serving.allocator import CHOICES, return_large_blocks

CODE = """
import ctypes, sys
import numpy as np
from soritune.serving.allocator import return_large_blocks
libc = ctypes.CDLL(None)
FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
class Facts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]
libc.mallinfo2.restype = Facts
if sys.argv[1] == "fixed":
    assert return_large_blocks()
np.ones(2**20).sum()  # 8 MiB: freed, which raises the threshold of glibc
before = libc.mallinfo2().hblks
kept = np.ones(2**19)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
@pytest.mark.parametrize(("mode", "mappings"), [("plain", 0), ("fixed", 1)])
def test_large_array_after_a_larger_one_has_a_mapping_of_its_own(mode: str, mappings: int) -> None:
    """4 MiB after 8 MiB: glibc alone puts it into the heap, from which it may not return."""
    done = subprocess.run([sys.executable, "-c", CODE, mode], capture_output=True, text=True, check=True)
    assert int(done.stdout) == mappings


@pytest.mark.parametrize("name", CHOICES)
def test_choice_of_the_user_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert not return_large_blocks()
