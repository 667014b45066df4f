"""Recognised texts in parts: moved into the log, which alone states what is done."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised
from tests.stages.here_engine import HereEngine

from soritune.errors import OutputError
from soritune.inference.recognition.recogniser import RecognisedText
from soritune.stages.cluster_transcription import ClusterTranscription
from soritune.stages.transcribe import transcribe


class Counting(ToyRecogniser):
    """Gives a text of the length of the clip."""

    def recognise(self, samples: NDArray[np.float32]) -> RecognisedText:
        return replace(recognised(f"가 {len(samples) // 1600}", 1 / 1.1), duration_s=len(samples) / 16000)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "소리"
    folder.mkdir()
    for number in range(7):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 1600 * (number + 1))
        soundfile.write(folder / f"{number}.wav", noise.astype(np.float32), 16000)
    (folder / "5.wav").write_bytes(b"x")
    return sorted(folder.iterdir())


def run(files: list[Path], output: Path, engine: HereEngine | None, **more: Any) -> Any:
    cluster = None if engine is None else ClusterTranscription(engine, Counting, rows_per_part=2)
    return transcribe(files, Counting(), output, min_confidence=0.9, cluster=cluster, **more)


def test_output_is_that_of_the_local_run(files: list[Path], tmp_path: Path) -> None:
    engine = HereEngine()
    results = [run(files, tmp_path / name / "o.jsonl", where) for name, where in (("a", None), ("b", engine))]
    assert engine.done == [2, 2, 2, 1]
    assert [result.failed for result in results] == [1, 1]
    for name in ("o.jsonl", "o.quarantine.jsonl", "o.recognised.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not (tmp_path / "b" / "o.jsonl.parts").exists()


def test_interrupted_command_keeps_its_texts(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(files, tmp_path / "b" / "o.jsonl", HereEngine(ends_after=2))
    engine = HereEngine()
    result = run(files, tmp_path / "b" / "o.jsonl", engine, resume=True)
    assert (engine.done, result.resumed) == ([2, 1], 4)
    run(files, tmp_path / "a" / "o.jsonl", None)
    assert (tmp_path / "a" / "o.jsonl").read_bytes() == (tmp_path / "b" / "o.jsonl").read_bytes()


def test_part_that_the_command_did_not_see_is_used(files: list[Path], tmp_path: Path) -> None:
    """The command is killed after an actor has written a part and before its texts are in the log."""
    run(files[:2], tmp_path / "o.jsonl", None)
    parts = tmp_path / "o.jsonl.parts"
    parts.mkdir()
    kept = HereEngine()
    real_unlink = Path.unlink
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Path, "unlink", lambda self, **more: None if self.parent == parts else real_unlink(self, **more)
        )
        run(files[:4], tmp_path / "o.jsonl", kept, resume=True)
    assert (kept.done, len(list(parts.iterdir()))) == ([2], 1)
    log = tmp_path / "o.recognised.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]))  # without the texts of that part
    engine = HereEngine()
    run(files, tmp_path / "o.jsonl", engine, resume=True)
    assert engine.done == [2, 1]


def test_recording_that_came_back_is_recognised(files: list[Path], tmp_path: Path) -> None:
    run(files, tmp_path / "o.jsonl", HereEngine())
    soundfile.write(files[5], np.ones(1600, np.float32) / 3, 16000)
    os.utime(files[0], (1, 1))  # another version of this file
    engine = HereEngine()
    assert run(files, tmp_path / "o.jsonl", engine, resume=True).failed == 0
    assert engine.done == [2]


def test_other_recogniser_on_a_node_is_refused(files: list[Path], tmp_path: Path) -> None:
    cluster = ClusterTranscription(HereEngine(), lambda: Counting(name="another"))
    with pytest.raises(
        OutputError, match="differs from that of the command .*; give the same model to all machines"
    ):
        transcribe(files, Counting(), tmp_path / "o.jsonl", cluster=cluster)
