"""A later call keeps the rows of an earlier one: same models and settings, unchanged recordings, no errors."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from soritune.errors import OutputError
from soritune.inference.header import Header
from soritune.inference.predictions import write_predictions
from soritune.stages.earlier_predictions import differing_parts, earlier_rows, new_files

CONTENT: dict[str, Any] = {
    "schema": "soritune.predictions/1",
    "created": "2026-01-01T00:00:00+00:00",
    "bundle": {"sha256": "a"},
    "bundles": [{"sha256": "a"}],
    "tasks": [],
    "data": {},
    "versions": {"soritune": "1"},
}


def header(**changes: Any) -> Header:
    return Header({**CONTENT, **changes})


def test_unchanged_recordings_are_kept(tmp_path: Path) -> None:
    for name in ("old.wav", "changed.wav", "new.wav"):
        (tmp_path / name).touch()
    rows = [
        {"id": name, "audio": str(tmp_path / name), "duration_s": 1.0, "groups": {}, "tasks": {}}
        for name in ("old.wav", "changed.wav", "gone.wav")
    ]
    rows.append({"id": "bad.wav", "audio": str(tmp_path / "bad.wav"), "error": "is empty"})
    output = tmp_path / "p.jsonl"
    assert earlier_rows(output, header()) == []
    write_predictions(output, header(), rows, header_beside=True)
    began = datetime.fromisoformat(CONTENT["created"]).timestamp()
    # "changed" was still being written when it was read: between the beginning of the call and its end.
    for name, age in (("old.wav", -10), ("changed.wav", 10)):
        os.utime(tmp_path / name, (began + age, began + age))
    assert began + 10 < output.stat().st_mtime
    kept = earlier_rows(output, header(created="later", versions={}))
    assert [row["id"] for row in kept] == ["old.wav", "gone.wav"]
    files = [tmp_path / name for name in ("old.wav", "changed.wav", "new.wav", "bad.wav")]
    assert [file.name for file in new_files(files, kept)] == ["changed.wav", "new.wav", "bad.wav"]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"bundles": [{"sha256": "b"}]}, ["model"]),
        ({"label_windows": {"window_s": 5.0, "hop_s": 5.0}}, ["window"]),
        ({"min_confidence": 0.6, "vad": "energy"}, ["min_confidence", "vad"]),
    ],
)
def test_other_models_and_settings_are_refused(
    changes: dict[str, Any], parts: list[str], tmp_path: Path
) -> None:
    assert sorted(differing_parts(header(), header(**changes))) == parts
    assert differing_parts(header(**changes), header(), only_known=True).keys() <= {"model"}
    write_predictions(tmp_path / "p.jsonl", header(), [])
    with pytest.raises(OutputError, match=f"predicted with .*{parts[0]} .*, and this call has"):
        earlier_rows(tmp_path / "p.jsonl", header(**changes))


def test_recording_of_which_one_channel_failed_is_predicted_again(tmp_path: Path) -> None:
    good = {"id": "a#left", "audio": "a.wav", "duration_s": 1.0, "groups": {}, "tasks": {}}
    bad = {"id": "a#right", "audio": "a.wav", "error": "is not finite"}
    write_predictions(tmp_path / "p.jsonl", header(), [good, bad])
    assert earlier_rows(tmp_path / "p.jsonl", header()) == []


def test_header_of_a_file_equals_the_one_it_was_made_with() -> None:
    assert differing_parts(header(label_windows=("a",)), header(label_windows=["a"])) == {}


def test_without_a_time_of_the_call_its_file_has_one(tmp_path: Path) -> None:
    audio, output = tmp_path / "a.wav", tmp_path / "p.jsonl"
    audio.touch()
    row = {"id": "a", "audio": str(audio), "duration_s": 1.0, "groups": {}, "tasks": {}}
    write_predictions(output, header(created=None), [row])
    for age, kept in ((-10, ["a"]), (10, [])):
        os.utime(audio, (output.stat().st_mtime + age,) * 2)
        assert [row["id"] for row in earlier_rows(output, header())] == kept
