"""`soritune synthesize …` that announces its second finished voice and waits: `python pausing.py synthesize OUT …`.

It writes the file OUT.waiting and continues when the file OUT.continue exists, so that a test can send a signal while
the corpus is certainly not finished.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soritune.cli.main import main
from soritune.corpus.synthetic import factory

VOICES = 2
"""Finished voices at the pause."""


def pause_after(voices: int, root: Path) -> Callable[[float, float], None]:
    """A callback for progress that pauses once, at this call."""
    calls = 0

    def progress(done: float, total: float) -> None:
        nonlocal calls
        calls += 1
        if calls == voices:
            root.with_suffix(".waiting").touch()
            while not root.with_suffix(".continue").exists():
                time.sleep(0.05)

    return progress


def pausing(root: Path, *arguments: Any, progress: object, **options: Any) -> Any:
    return synthesize(root, *arguments, progress=pause_after(VOICES, root), **options)


if __name__ == "__main__":
    synthesize = factory.synthesize
    factory.synthesize = pausing
    sys.exit(main())
