"""Files appear whole, with the permissions of any new file; an error keeps the old file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soritune.audio.waveform import write_audio
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError
from soritune.whole_file import remove_leftovers, whole_file, write_text


def test_file_is_replaced_only_at_the_end(tmp_path: Path) -> None:
    file = write_text(tmp_path / "deep" / "scores.json", "old")
    with whole_file(file) as part:
        part.write_text("new")
        assert file.read_text() == "old"
        reader = file.open()
        assert part.parent == file.parent and part.suffix == ".json" and part.name.startswith(".")
    with reader:
        assert reader.read() == "old"  # the name now belongs to another file
    assert file.read_text() == "new"
    assert [entry.name for entry in file.parent.iterdir()] == ["scores.json"]


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")]
)
def test_error_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, error: BaseException) -> None:
    file = write_text(tmp_path / "a.txt", "old")

    def write_half() -> None:
        with whole_file(file) as part:
            part.write_text("half")
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        write_half()
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/a\.txt cannot be written \(.+\); choose another path"):
        write_text(tmp_path / "file" / "a.txt", "x")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_written_files_have_the_permissions_of_a_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "x")
        write_audio(tmp_path / "a.flac", np.zeros(1600, dtype=np.float32), 16000)
        write_manifest(
            tmp_path / "m.parquet", [Utterance(id="a", audio="a.flac", duration_s=0.1)], root=tmp_path
        )
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"a.txt": mode, "a.flac": mode, "m.parquet": mode}


@pytest.mark.parametrize("path", [".", "/", ""])
def test_path_without_a_file_name_is_refused(path: str) -> None:
    with pytest.raises(OutputError, match="name a file in it"):
        write_text(path, "x")


def test_name_of_the_maximum_length_is_written(tmp_path: Path) -> None:
    name = "가" * 83 + ".json"
    assert len(name.encode()) == 254
    assert write_text(tmp_path / name, "x").read_text() == "x"


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_full_disk_is_reported_for_audio(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files stands in for the disk."""
    program = (
        "import resource, signal, sys, numpy as np; from soritune.audio.waveform import write_audio; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
        "write_audio(sys.argv[1], np.random.default_rng(0).uniform(-1, 1, 160000).astype('float32'), 16000)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / f"a{suffix}")]
    messages = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert messages.strip().splitlines()[-1].startswith("soritune.errors.OutputError:")
    assert not list(tmp_path.iterdir())


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    target = tmp_path / "checked.parquet"
    with whole_file(target) as part:
        left = part.with_name(part.name)
        part.write_bytes(b"half")
        (tmp_path / "copy").hardlink_to(part)
    (tmp_path / "copy").rename(left)  # as after a kill
    others = [
        tmp_path / name
        for name in (".checked.0.parquet", ".other.01234567.parquet", "checked.01234567.parquet")
    ]
    for other in others:
        other.touch()
    remove_leftovers(target)
    assert not left.exists()
    assert target.read_bytes() == b"half"
    assert all(other.exists() for other in others)


def test_leftover_search_spares_a_file_that_is_being_written(tmp_path: Path) -> None:
    target = tmp_path / "calls.jsonl"
    with whole_file(target) as part:
        part.write_text("half")
        remove_leftovers(target)
        part.write_text("whole")
    assert target.read_text() == "whole"
