"""Files appear whole, with the permissions of any new file, and an error leaves what was there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from soritune.audio.waveform import write_audio
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError
from soritune.whole_file import whole_file, write_text


def test_the_place_is_taken_only_at_the_end(tmp_path: Path) -> None:
    file = write_text(tmp_path / "deep" / "scores.json", "old")
    with whole_file(file) as part:
        part.write_text("new")
        assert file.read_text() == "old"
        assert part.parent == file.parent and part.suffix == ".json" and part.name.startswith(".")
    assert file.read_text() == "new"
    assert [entry.name for entry in file.parent.iterdir()] == ["scores.json"]


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")]
)
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    file = write_text(tmp_path / "a.txt", "old")

    def write_half() -> None:
        with whole_file(file) as part:
            part.write_text("half")
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        write_half()
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/a\.txt cannot be written \(.+\); choose another place"):
        write_text(tmp_path / "file" / "a.txt", "x")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "x")
        write_audio(tmp_path / "a.flac", np.zeros(1600, dtype=np.float32), 16000)
        write_manifest(
            tmp_path / "m.parquet", [Utterance(id="a", audio="a.flac", duration_s=0.1)], root=tmp_path
        )
    finally:
        os.umask(before)
    found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert found == {"a.txt": mode, "a.flac": mode, "m.parquet": mode}
