"""A synthetic corpus: voice by voice, on all cores, stopped and taken up at any time.

A voice is the unit of work. It depends on the settings, the seed and its number alone, so neither the number of
processes nor an interruption changes a sample; a part is the first so many voices that reach its hours. The audio is
a FLAC file an utterance, which every reader opens and a stopped run loses nothing of; tens of hours are some
ten thousand files of 50 to 100 KiB.

    OUT/synthesis.json        settings and versions
    OUT/audio/PART/VOICE/     one FLAC file an utterance, 16 kHz
    OUT/voices/PART/*.jsonl   rows of the finished voices; what is here is not made again
    OUT/manifest.parquet, OUT/splits.parquet    written at the end
"""

from __future__ import annotations

import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from soritune.audio.synthesis.espeak import Synthesizer
from soritune.audio.synthesis.sentences import PARTS, Part
from soritune.corpus.manifest import MANIFEST_FILE, SPLITS_FILE, Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.synthetic.settings import SynthesisSettings
from soritune.corpus.synthetic.voice_work import make_voice, read_rows, rows_file
from soritune.corpus.synthetic.workers import worker_pool
from soritune.errors import OutputError
from soritune.whole_file import write_text

FORMAT = 1
"""Changes when the same seed gives other speech."""
STYLE_FIELD = "emotion"
"""The field of an utterance that holds its speaking style."""
_GUESSED_VOICE_S = 120.0
_GOING_ON = (
    "finished voices are kept and the same command goes on with them; fewer --workers take less memory"
)


def synthesize(
    root: Path,
    settings: SynthesisSettings,
    *,
    workers: int | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Manifest:
    """Makes a corpus in `root`, or what is still missing of it.

    Args:
        root: its folder; made if need be.
        settings: what it is made of.
        workers: processes; None takes one per core. Does not change the result.
        progress: told the hours done and the hours wanted.

    Raises:
        SorituneError: espeak-ng is not installed, or the system ended a process.
        OutputError: `root` holds another corpus, or cannot be written to.
    """
    Synthesizer()  # a missing extra is said here, not by a worker
    _claim(root, settings)
    processes = workers or os.cpu_count() or 1
    wanted = settings.wanted()
    total, before = sum(wanted.values()), 0.0
    kept: list[Path] = []
    with worker_pool(processes, _GOING_ON) as pool:
        for part in PARTS:

            def tell(done: float, before: float = before) -> None:
                if progress is not None:
                    progress(before + done, total)

            kept += _make_part(pool, root, settings, part, wanted[part], 2 * processes, tell)
            before += wanted[part]
    rows = chain.from_iterable(read_rows(file) for file in kept)
    manifest = write_manifest(root / MANIFEST_FILE, rows, root=root)
    (root / SPLITS_FILE).unlink(missing_ok=True)  # of a corpus that had other parts
    if settings.hours and (settings.val_hours or settings.test_hours):
        ratios = {part: wanted[part] / total for part in PARTS}
        splits = make_splits(
            manifest, SplitSettings(given="split", ratios=ratios), label_fields=[STYLE_FIELD]
        )
        splits.save(root / SPLITS_FILE)
    return manifest


def _make_part(
    pool: ProcessPoolExecutor,
    root: Path,
    settings: SynthesisSettings,
    part: Part,
    hours: float,
    ahead: int,
    tell: Callable[[float], None],
) -> list[Path]:
    """The files of rows of the first voices that together have so many hours."""
    kept: list[Path] = []
    seconds, submitted = 0.0, 0
    waiting: deque[Future[float]] = deque()
    while seconds < hours * 3600:
        mean = seconds / len(kept) if kept else _GUESSED_VOICE_S
        missing = hours * 3600 - seconds
        while len(waiting) < ahead and (not waiting or len(waiting) * mean < missing):
            waiting.append(pool.submit(_voice_seconds, root, settings, part, submitted))
            submitted += 1
        seconds += waiting.popleft().result()
        kept.append(rows_file(root, part, len(kept)))
        tell(min(seconds / 3600, hours))
    for future in waiting:  # begun before it was known that they are not needed
        future.cancel()
    for number, future in enumerate(waiting, start=len(kept)):
        if not future.cancelled():
            future.result()
            rows_file(root, part, number).unlink(missing_ok=True)
            shutil.rmtree(root / "audio" / part / f"{number:05d}", ignore_errors=True)
    return kept


def _voice_seconds(root: Path, settings: SynthesisSettings, part: Part, number: int) -> float:
    """Seconds of a voice, made now or before."""
    file = rows_file(root, part, number)
    if file.exists():
        return sum(row.duration_s for row in read_rows(file))
    return make_voice(root, settings, part, number)


def _claim(root: Path, settings: SynthesisSettings) -> None:
    """Writes OUT/synthesis.json, or finds the same settings in it.

    Raises:
        OutputError: another corpus is there, or the folder cannot be written to.
    """
    file = root / "synthesis.json"
    identity = {"format": FORMAT, "settings": settings.identity()}
    try:
        if file.exists():
            there = json.loads(file.read_text(encoding="utf-8"))
            changed = sorted(_differences({k: there.get(k) for k in identity}, identity))
            if changed:
                raise OutputError(
                    f"{root} holds a synthetic corpus made with another {', '.join(changed)}; "
                    "give the same settings to go on with it, or another folder"
                )
            return
        if root.exists() and any(root.iterdir()):
            raise OutputError(
                f"{root} is not empty and holds no synthetic corpus; give an empty or a new folder"
            )
        root.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            {**identity, "synthetic": True, "versions": _versions()}, ensure_ascii=False, indent=1
        )
        write_text(file, text + "\n")
    except (OSError, ValueError) as error:
        raise OutputError(f"{root}: no corpus can be written there ({error})") from error


def _differences(there: Any, here: Any, place: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for name in {*there, *here}:
            yield from _differences(there.get(name), here.get(name), f"{place}.{name}".lstrip("."))
    elif there != here:
        yield place.removeprefix("settings.")


def _versions() -> dict[str, str]:
    found = {"numpy": np.__version__}
    for package in ("soritune", "espeakng-loader", "soxr", "soundfile"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
