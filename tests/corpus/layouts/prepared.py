"""A corpus of a test as `prepare` reads it: rows by id, and what was rejected, skipped and noted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soritune.corpus.prepare import prepare
from soritune.corpus.utterance import Utterance


@dataclass
class Result:
    """Rows by id; rejected things by id or path, as (kind, reason)."""

    rows: dict[str, Utterance]
    rejected: dict[str, tuple[str, str]]
    skipped: dict[str, int]
    notes: dict[str, int]
    root: Path


def read(source: str, root: Path, out: Path, **settings: Any) -> Result:
    """Prepares a corpus."""
    made = prepare(source, root, settings, out)
    return Result(
        {row.id: row for row in made.manifest},
        {row.id or row.audio: (row.kind, row.reason) for row in made.quarantined},
        made.skipped,
        made.notes,
        made.manifest.root,
    )


def tone(path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> Path:
    """Writes a recording, whose pitch depends on its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(seconds * rate)) / rate
    samples = 0.1 * np.sin(2 * np.pi * (200 + 10 * (sum(path.name.encode()) % 50)) * times)
    soundfile.write(path, np.stack([samples / (n + 1) for n in range(channels)], axis=1), rate)
    return path
