"""Which files of a tree are audio."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from soritune.audio.files import as_on_disk, find_audio, recordings
from soritune.audio.waveform import read_audio, write_audio
from soritune.corpus.manifest import load_manifest
from soritune.corpus.prepare import prepare
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


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize("on_disk", [nfc, nfd])
@pytest.mark.parametrize("written", [nfc, nfd])
def test_hangul_and_the_case_of_the_suffix_may_differ_in_every_part(tmp_path, on_disk, written) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / on_disk("말뭉치") / nfd("화자") / on_disk("첫째.WAV")
    write_audio(file, np.full(1600, 0.25, np.float32), 16000)
    given = tmp_path / written("말뭉치") / nfc("화자") / written("첫째.wav")
    assert as_on_disk(given) == file
    assert len(read_audio(given)) == 1600
    assert find_audio(given.parent) == [file]


def test_paths_that_mean_nothing_or_two_files_are_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a.WAV").touch()
    assert as_on_disk(tmp_path / "a.wav") == tmp_path / "a.WAV"
    (tmp_path / "a.Wav").touch()
    for name in ("a.wav", "b.wav", "A.WAV", "gone/a.wav"):
        assert as_on_disk(tmp_path / name) == tmp_path / name
    assert as_on_disk(tmp_path / "a.Wav") == tmp_path / "a.Wav"


def test_spelling_is_found_after_the_folder_has_changed(tmp_path: Path) -> None:
    assert as_on_disk(tmp_path / nfc("가.wav")) == tmp_path / nfc("가.wav")
    (tmp_path / nfd("가.wav")).touch()
    assert as_on_disk(tmp_path / nfc("가.wav")) == tmp_path / nfd("가.wav")


def test_corpus_table_and_manifest_are_found_in_the_other_form(tmp_path: Path) -> None:
    folder = tmp_path / nfd("말뭉치")
    write_audio(folder / nfd("소리 하나.wav"), np.full(1600, 0.25, np.float32), 16000)
    (folder / nfd("목록.csv")).write_text(nfc("audio,speaker\n소리 하나.WAV,가\n"), encoding="utf-8")
    prepared = prepare("csv", tmp_path / nfc("말뭉치/목록.csv"), {}, tmp_path / nfd("결과"))
    assert [row.duration_s for row in prepared.manifest] == [0.1]
    assert len(load_manifest(tmp_path / nfc("결과") / "manifest.parquet")) == 1


def test_headerless_files_beside_the_same_recording_with_a_header_are_left_out() -> None:
    assert recordings(["a.pcm", "a.wav", "b.RAW", "c.txt", "c.pcm", "d.flac"]) == [
        "a.wav",
        "b.RAW",
        "c.pcm",
        "d.flac",
    ]
