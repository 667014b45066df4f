"""Which files of a tree are audio."""

from __future__ import annotations

from pathlib import Path

import pytest

from soritune.audio.files import find_audio
from soritune.errors import AudioError


def test_visible_audio_files_are_found_by_suffix_in_any_case_and_sorted(tmp_path: Path) -> None:
    for name in (
        "b/나.WAV",
        "b/가.Flac",
        "a.mp3",
        "c.txt",
        ".hidden.wav",
        ".git/x.wav",
        "b/d.webm",
        "e.wav.part",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [file.relative_to(tmp_path).as_posix() for file in find_audio(tmp_path)] == [
        "a.mp3",
        "b/d.webm",
        "b/가.Flac",
        "b/나.WAV",
    ]


def test_missing_folder_and_file_instead_of_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="does not exist"):
        find_audio(tmp_path / "gone")
    (tmp_path / "f").touch()
    with pytest.raises(AudioError, match="is not a folder"):
        find_audio(tmp_path / "f")
