"""Written paths and the files that they mean."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from soritune.corpus.reading.audio_paths import AudioFinder, plain_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/1.wav", "b/a/1.wav", unicodedata.normalize("NFD", "소리/가.wav"), "c.WAV"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_every_spelling_of_a_path_is_found(root: Path) -> None:
    find = AudioFinder([root], root).find
    for written in (
        "a/1.wav",
        "./a/1.wav",
        ".\\a\\1.wav",
        "b/../a//1.wav",
        " a/1.wav ",
        "a/1",
        str(root / "a/1.wav"),
    ):
        assert find(written) == "a/1.wav", written
    assert find("c") == "c.WAV"
    assert find("소리/가.wav") == unicodedata.normalize("NFD", "소리/가.wav")


def test_first_folder_with_the_file_counts(root: Path) -> None:
    assert AudioFinder([root / "b", root], root).find("a/1.wav") == "b/a/1.wav"
    assert AudioFinder([root / "b", root], root).find("c.WAV") == "c.WAV"


def test_prefix_of_another_machine_is_cut_off_if_set(root: Path) -> None:
    assert AudioFinder([root], root).find("C:\\data\\x\\a\\1.wav") is None
    assert AudioFinder([root], root, "C:\\data\\x\\").find("C:\\data\\x\\a\\1.wav") == "a/1.wav"
    assert AudioFinder([root], root, "/home/lab").find("/home/lab/a/1.wav") == "a/1.wav"
    assert AudioFinder([root], root, "D:\\corpus").find("D:\\corpus2\\a\\1.wav") is None
    assert AudioFinder([root], root, "/").find("/a/1.wav") == "a/1.wav"


def test_missing_file_has_an_expected_path(root: Path) -> None:
    finder = AudioFinder([root / "b"], root / "b")
    assert finder.find("x.wav") is None and finder.expected("x.wav") == "x.wav"
    assert finder.find("../c.WAV") == "../c.WAV"  # leads out of the base, which needs a setting
    assert AudioFinder([root], root).find("a") is None  # a folder


def test_plain_path_has_no_detours() -> None:
    assert plain_path("a\\..\\b//c.wav") == "b/c.wav"
