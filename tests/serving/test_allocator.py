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
