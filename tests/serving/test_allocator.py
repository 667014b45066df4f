from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys

import pytest

from soritune.serving import allocator
from soritune.serving.allocator import Trimmer

CODE = """
import sys
import numpy as np
import psutil
from soritune.serving.allocator import return_holes
process = psutil.Process()
start = process.memory_info().rss
blocks = [np.ones(2**15) for _ in range(400)]  # 100 MiB in blocks of 256 KiB, which share the heap
kept = blocks[-1]
del blocks
full = process.memory_info().rss
assert return_holes()
print((full - start) >> 20, (process.memory_info().rss - start) >> 20)
"""


LARGE = """
import sys
import numpy as np
import psutil
from soritune.serving.allocator import LARGE_BYTES, map_large_arrays
assert map_large_arrays() is (sys.argv[1] == "set")
free = [np.ones(2**21) for _ in range(2)]  # 16 MiB each: glibc would raise its threshold to them
del free
process = psutil.Process()
start = process.memory_info().rss
blocks = [np.ones(LARGE_BYTES // 8) for _ in range(10)]
kept = np.ones(1000), blocks[-1]
del blocks
print((process.memory_info().rss - start) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
@pytest.mark.parametrize(("stated", "left_mib"), [(None, range(7, 12)), (str(2**25), range(70, 90))])
def test_large_array_returns_when_it_is_free_unless_the_user_states_a_threshold(
    stated: str | None, left_mib: range
) -> None:
    """Ten arrays of 8 MiB, of which the last one lives on above the others."""
    environment = {key: value for key, value in os.environ.items() if key != "MALLOC_MMAP_THRESHOLD_"}
    if stated is not None:
        environment["MALLOC_MMAP_THRESHOLD_"] = stated
    word = "set" if stated is None else "stated"
    command = [sys.executable, "-c", LARGE, word]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) in left_mib


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
def test_holes_below_a_block_in_use_return_to_the_system() -> None:
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**25)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment
    )
    before, after = map(int, done.stdout.split())
    assert before > 90
    assert after < 20


def test_memory_is_returned_after_work_only(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def trim() -> bool:
        calls.append(1)
        return len(calls) < 3

    monkeypatch.setattr(allocator, "return_holes", trim)

    async def check() -> None:
        trimmer = Trimmer(0.01)
        task = asyncio.create_task(trimmer.run())
        await asyncio.sleep(0.05)
        assert calls == []
        trimmer.worked()
        await asyncio.sleep(0.1)
        assert calls == [1, 1]  # the work may have ended after the first time
        trimmer.worked()  # the next time fails, and there is no further one
        await asyncio.wait_for(task, 5)
        assert calls == [1, 1, 1]

    asyncio.run(check())
