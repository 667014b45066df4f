"""Lengths from headers in parts: what a part keeps, and when it is used again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.corpus import headers
from soritune.corpus.headers import HeaderJob, HeaderReader, measure
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected, Skipped
from soritune.corpus.utterance import Utterance
from soritune.ray_engine import RayEngine


class HereEngine(RayEngine):
    """Runs tasks in this process."""

    def tasks(  # type: ignore[override]
        self, function: Callable[[Any], Any], jobs: Iterable[Any], **more: Any
    ) -> Iterator[Any]:
        assert more["in_order"]
        yield from map(function, jobs)


def outcomes(folder: Path) -> list[Outcome]:
    """Utterances of every kind of file, a rejected row, and counts."""
    noise = np.random.default_rng(0).integers(-900, 900, (8000, 2), dtype=np.int16)
    soundfile.write(folder / "a.wav", noise, 44100)
    noise[:, 0].astype("<i2").tofile(folder / "b.pcm")
    os.symlink(folder / "a.wav", folder / "\udcb0.wav")
    row = {"speaker": "가", "extra": {"x": [1, {"y": 0.1}], "pcm": "s16le:8000"}}
    return [
        Utterance(id="whole", audio="a.wav", duration_s=0.0, age=7.5),
        Note("noted", kind="n"),
        Utterance(id="stretch", audio="a.wav", duration_s=0.1 / 3, start_s=0.05),
        Utterance(id="headerless", audio="b.pcm", duration_s=0.0),
        Utterance(id="own", audio="b.pcm", duration_s=0.0, **row),
        Utterance(id="bytes", audio="\udcb0.wav", duration_s=0.0),
        Rejected("c.wav", "no label", "r", kind="label-missing"),
        Skipped("left out", 3, kind="s"),
        Utterance(id="gone", audio="gone.wav", duration_s=1.0),
        Utterance(id="outside", audio="../../x.wav", duration_s=1.0),
    ]


def test_parts_give_what_threads_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "ROWS_PER_PART", 3)
    read = outcomes(tmp_path)
    reader = HeaderReader(tmp_path, tmp_path, "s16le:16000", outside_root=False)
    by_threads = list(reader.by_threads(read, 2))
    assert list(reader.by_cluster(iter(read), tmp_path / "parts", HereEngine())) == by_threads
    assert sorted(file.name for file in (tmp_path / "parts").iterdir()) == [
        f"part-00000{number}.jsonl" for number in range(4)
    ]
    measured = {result.id: result for _, result in by_threads if isinstance(result, Utterance)}
    assert measured["whole"].duration_s == 8000 / 44100
    assert (measured["headerless"].duration_s, measured["headerless"].pcm) == (0.5, "s16le:16000")
    assert (measured["own"].duration_s, measured["own"].pcm) == (1.0, "s16le:8000")
    assert measured["own"].extra == {"x": [1, {"y": 0.1}], "pcm": "s16le:8000"}


def test_finished_part_is_used_unless_something_has_changed(tmp_path: Path) -> None:
    read = outcomes(tmp_path)
    (tmp_path / "damaged.wav").write_bytes(b"RIFF")
    read.append(Utterance(id="damaged", audio="damaged.wav", duration_s=1.0))
    job = HeaderJob(HeaderReader(tmp_path, tmp_path, None, outside_root=False), read, tmp_path / "part")

    def is_written() -> bool:
        before = job.file.stat().st_ino
        measure(job)
        return job.file.stat().st_ino != before

    measure(job)
    assert not is_written()
    soundfile.write(tmp_path / "gone.wav", np.zeros(16000), 16000)
    assert is_written()
    assert not is_written()
    later = time.time() + 60
    os.utime(tmp_path / "damaged.wav", (later, later))
    assert is_written()
    other = HeaderJob(HeaderReader(tmp_path, tmp_path, "s16le:8000", outside_root=False), read, job.file)
    assert other.digest != job.digest
    measure(other)
    assert is_written()
