"""A synthetic corpus, made voice by voice on all cores; it can be interrupted and resumed at any time.

A voice is the unit of work. It depends only on the settings, the seed and its number, so neither the number of
processes nor an interruption changes a sample. A part consists of its first voices, as many as its hours need.
Each utterance is a FLAC file, so that every program can read it and an interrupted run keeps its finished voices.
Tens of hours are some ten thousand files of 50 to 100 KiB.

    OUT/synthesis.json        settings and versions
    OUT/audio/PART/VOICE/     a 16 kHz FLAC file for each utterance
    OUT/voices/PART/*.jsonl   rows of the finished voices, which are not made again
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
from soritune.corpus.file_names import MANIFEST_FILE, SPLITS_FILE
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.synthetic.settings import SynthesisSettings
from soritune.corpus.synthetic.voice_work import make_voice, read_rows, rows_file
from soritune.corpus.synthetic.workers import worker_pool
from soritune.errors import OutputError, reason_of
from soritune.strict_json import read_json
from soritune.whole_file import write_text

FORMAT = 2
"""Is increased when the same seed gives other speech."""
STYLE_FIELD = "emotion"
"""The utterance field with the speaking style."""
_GUESSED_VOICE_S = 120.0
_RESUME = "finished voices are kept and the same command resumes; fewer --workers take less memory"


def synthesize(
    root: Path,
    settings: SynthesisSettings,
    *,
    workers: int | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Manifest:
    """Makes a corpus in `root`, or its missing voices.

    Args:
        root: its folder; is made if it does not exist.
        settings: of the corpus.
        workers: processes; None takes one per core. Does not change the result.
        progress: called with the hours that are done and the hours to be made.

    Raises:
        SorituneError: espeak-ng is not installed, or the system ended a process.
        OutputError: `root` contains another corpus, or cannot be written to.
    """
    Synthesizer()  # a missing extra is reported here, not by a worker
    _claim(root, settings)
    processes = workers or os.cpu_count() or 1
    hours = settings.hours_of_parts()
    total, before = sum(hours.values()), 0.0
    files: list[Path] = []
    with worker_pool(processes, _RESUME) as pool:
        for part in PARTS:

            def report(done: float, before: float = before) -> None:
                if progress is not None:
                    progress(before + done, total)

            files += _make_part(pool, root, settings, part, hours[part], 2 * processes, report)
            before += hours[part]
    rows = chain.from_iterable(read_rows(file) for file in files)
    manifest = write_manifest(root / MANIFEST_FILE, rows, root=root)
    (root / SPLITS_FILE).unlink(missing_ok=True)  # that of a corpus with other parts
    if settings.hours and (settings.val_hours or settings.test_hours):
        ratios = {part: hours[part] / total for part in PARTS}
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
    report: Callable[[float], None],
) -> list[Path]:
    """Makes the first voices of a part until they have its hours; returns the files with their rows.

    Args:
        pool: Processes that make voices.
        root: Folder of the corpus.
        settings: Of the corpus.
        part: The part.
        hours: At least this much of it.
        ahead: Voices in work or waiting at the same time.
        report: Called with the hours that are done.
    """
    files: list[Path] = []
    seconds, submitted = 0.0, 0
    waiting: deque[Future[float]] = deque()
    while seconds < hours * 3600:
        mean = seconds / len(files) if files else _GUESSED_VOICE_S
        missing = hours * 3600 - seconds
        while len(waiting) < ahead and (not waiting or len(waiting) * mean < missing):
            waiting.append(pool.submit(_voice_seconds, root, settings, part, submitted))
            submitted += 1
        seconds += waiting.popleft().result()
        files.append(rows_file(root, part, len(files)))
        report(min(seconds / 3600, hours))
    for future in waiting:  # voices that turned out not to be needed
        future.cancel()
    for number, future in enumerate(waiting, start=len(files)):
        if not future.cancelled():
            future.result()
            rows_file(root, part, number).unlink(missing_ok=True)
            shutil.rmtree(root / "audio" / part / f"{number:05d}", ignore_errors=True)
    return files


def _voice_seconds(root: Path, settings: SynthesisSettings, part: Part, number: int) -> float:
    """Seconds of a voice, which is made unless it is finished already."""
    file = rows_file(root, part, number)
    if file.exists():
        return sum(row.duration_s for row in read_rows(file))
    return make_voice(root, settings, part, number)


def _claim(root: Path, settings: SynthesisSettings) -> None:
    """Writes OUT/synthesis.json, or checks that it has the same settings.

    Raises:
        OutputError: the folder contains another corpus or other files, or cannot be written to.
    """
    file = root / "synthesis.json"
    identity = {"format": FORMAT, "settings": settings.identity()}
    try:
        if file.exists():
            stored = read_json(file)
            changed = sorted(_differences({key: stored.get(key) for key in identity}, identity))
            if changed:
                raise OutputError(
                    f"{root} holds a synthetic corpus made with another {', '.join(changed)}; "
                    "give the same settings to resume it, or another folder"
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
        raise OutputError(f"{root}: no corpus can be written there ({reason_of(error)})") from error


def _differences(stored: Any, given: Any, key: str = "") -> Iterator[str]:
    """Keys, with dots, whose values differ."""
    if isinstance(stored, dict) and isinstance(given, dict):
        for name in {*stored, *given}:
            yield from _differences(stored.get(name), given.get(name), f"{key}.{name}".lstrip("."))
    elif stored != given:
        yield key.removeprefix("settings.")


def _versions() -> dict[str, str]:
    versions = {"numpy": np.__version__}
    for package in ("soritune", "espeakng-loader", "soxr", "soundfile"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions
