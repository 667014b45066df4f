"""Cuts of lhotse as JSON lines (`cuts.jsonl.gz`): each row is a cut with one supervision and its recording.

The header of every recording is read, because a cut states the length and channels of its whole recording. A row that
mixes the channels of its recording is a `MultiCut`. Fields that lhotse does not know, and those in `extra`, are in the
supervision's `custom`.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from soritune.audio.waveform import read_header
from soritune.corpus.exports.export import Export, Parts, part_name, rows_with_paths, with_values
from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.parallel_map import parallel_map
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import AudioError, ManifestError
from soritune.whole_file import whole_file

_OWN = ("text", "speaker", "gender", "language")
_CUSTOM = tuple(
    name
    for name in FIELDS
    if name not in (*_OWN, "id", "audio", "duration_s", "start_s", "channel", "sample_rate_hz", "extra")
)
_THREADS = 4 * (os.cpu_count() or 1)


def write(parts: Parts, folder: Path) -> list[str]:
    """Writes cuts.jsonl.gz, or cuts_train.jsonl.gz … for splits."""
    for split, manifest in parts.items():
        with whole_file(folder / part_name("cuts", split, ".jsonl.gz")) as part:
            _write_lines(part, _cuts(manifest))
    return []


def _write_lines(file: Path, cuts: Iterator[dict[str, Any]]) -> None:
    # Without a name and a time in its header, equal rows give an equal file.
    with file.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream:
        for cut in cuts:
            stream.write((json.dumps(cut, ensure_ascii=False) + "\n").encode())


def _cuts(manifest: Manifest) -> Iterator[dict[str, Any]]:
    with ThreadPoolExecutor(_THREADS) as pool:
        for (row, path), recording in parallel_map(
            pool, _recording, rows_with_paths(manifest), 64 * _THREADS
        ):
            yield _cut(row, path, recording)


def _recording(item: tuple[Utterance, str]) -> dict[str, Any]:
    """The recording of a row.

    Raises:
        ManifestError: it cannot be read.
    """
    row, path = item
    try:
        header = read_header(path)
    except AudioError as error:
        raise ManifestError(f"'{row.id}' cannot be written as a cut: {error}") from error
    samples = round(header.duration_s * header.sample_rate_hz)
    channels = list(range(header.num_channels))
    return {
        "id": path,
        "sources": [{"type": "file", "channels": channels, "source": path}],
        "sampling_rate": header.sample_rate_hz,
        "num_samples": samples,
        "duration": samples / header.sample_rate_hz,
        "channel_ids": channels,
    }


def _cut(row: Utterance, path: str, recording: dict[str, Any]) -> dict[str, Any]:
    channels = recording["channel_ids"]
    mixes = row.channel is None and len(channels) > 1
    channel = channels if mixes else row.channel or 0
    start = row.start_s or 0.0
    # The length of a whole recording is that of its samples; lhotse refuses a cut that ends after its recording.
    duration = (
        recording["duration"] if row.start_s is None else min(row.duration_s, recording["duration"] - start)
    )
    custom = {**row.extra, **with_values(row, _CUSTOM)}
    supervision = {
        "id": row.id,
        "recording_id": path,
        "start": 0.0,
        "duration": duration,
        "channel": channel,
        **with_values(row, _OWN),
        **({"custom": custom} if custom else {}),
    }
    return {
        "id": row.id,
        "start": start,
        "duration": duration,
        "channel": channel,
        "supervisions": [supervision],
        "recording": recording,
        "type": "MultiCut" if mixes else "MonoCut",
    }


EXPORT = Export(write, "lhotse: cuts.jsonl.gz, a cut with one supervision per row")
