"""Rows of finished recordings survive a call that is killed, as far as they still hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.errors import OutputError
from soritune.inference.header import Header
from soritune.stages.finished_rows import finished_rows, unfinished_file

HEADER = Header({"schema": "soritune.predictions/1", "tasks": [], "min_confidence": 0.6})


@pytest.fixture
def calls(tmp_path: Path) -> list[Path]:
    """Three stereo recordings."""
    files = [tmp_path / f"{name}.wav" for name in ("가", "b", "c")]
    for file in files:
        soundfile.write(file, np.zeros((1600, 2)), 16000)
    return files


def rows_of(file: Path, **right: Any) -> list[dict[str, Any]]:
    left = {"id": f"{file}#left", "audio": str(file), "tasks": {}}
    return [left, {"id": f"{file}#right", "audio": str(file), **(right or {"tasks": {}})}]


def predict_until_killed(output: Path, calls: list[Path], rows: list[dict[str, Any]]) -> None:
    """Takes the rows one by one, and stops without an end."""
    items = [{"audio": file, "channel": "each"} for file in calls]
    with finished_rows(output) as finished:
        finished.rows(HEADER)
        stream = finished.watch(rows, items)
        assert [next(stream) for _ in rows] == rows


def test_only_whole_recordings_without_an_error_are_kept(calls: list[Path], tmp_path: Path) -> None:
    first, second, third = calls
    rows = [*rows_of(first), *rows_of(second, error="is not finite"), *rows_of(third)[:1]]
    predict_until_killed(tmp_path / "p.jsonl", calls, rows)
    with finished_rows(tmp_path / "p.jsonl") as finished:
        assert finished.rows(HEADER) == rows_of(first)


def test_line_that_was_cut_is_dropped_and_later_rows_are_added_after_it(
    calls: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "p.jsonl"
    predict_until_killed(output, calls, [*rows_of(calls[0]), *rows_of(calls[1])])
    path = unfinished_file(output)
    path.write_bytes(path.read_bytes()[:-9])
    predict_until_killed(output, calls, rows_of(calls[2]))
    with finished_rows(output) as finished:
        assert finished.rows(HEADER) == [*rows_of(calls[0]), *rows_of(calls[2])]
        finished.delete()
    assert not path.exists()


def test_changed_recording_is_predicted_again_and_a_deleted_one_is_kept(
    calls: list[Path], tmp_path: Path
) -> None:
    predict_until_killed(tmp_path / "p.jsonl", calls, [*rows_of(calls[0]), *rows_of(calls[1])])
    os.utime(calls[0], (1, 1))
    calls[1].unlink()
    with finished_rows(tmp_path / "p.jsonl") as finished:
        assert finished.rows(HEADER) == rows_of(calls[1])


def test_other_settings_and_a_second_call_are_refused(calls: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "p.jsonl"
    predict_until_killed(output, calls, rows_of(calls[0]))
    with finished_rows(output) as finished:
        other = Header({**HEADER.content, "min_confidence": 0.7})
        with pytest.raises(
            OutputError, match=r"unfinished was predicted with min_confidence 0.6, and this call has 0.7"
        ):
            finished.rows(other)
        with pytest.raises(OutputError, match="another call is writing"), finished_rows(output):
            pass
    assert unfinished_file(output).exists()


def test_nothing_is_left_of_a_call_that_wrote_nothing(tmp_path: Path) -> None:
    with finished_rows(tmp_path / "p.jsonl"):
        pass
    assert list(tmp_path.iterdir()) == []
