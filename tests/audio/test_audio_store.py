"""The same recording loose, in archives and in a shard: equal samples from every reader."""

from __future__ import annotations

import tarfile
import unicodedata
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.audio.audio_store import AudioStore
from soritune.audio.blocks import read_blocks
from soritune.audio.preprocessing import Preprocessing
from soritune.audio.waveform import decode, read_audio, read_header
from soritune.errors import AudioError, MissingAudioError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Recordings of several formats, and archives of them."""
    folder = tmp_path / "말뭉치" / "소리"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    stereo = (rng.normal(0, 0.1, (48000, 2))).astype(np.float32)
    for suffix, kind in ((".wav", "WAV"), (".flac", "FLAC"), (".mp3", "MP3"), (".ogg", "OGG")):
        soundfile.write(folder / f"a{suffix}", stereo, 48000, format=kind)
    rng.integers(-9999, 9999, 8000, dtype="<i2").tofile(folder / "b.pcm")
    with zipfile.ZipFile(tmp_path / "말뭉치.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"소리/{file.name}")
    with tarfile.open(tmp_path / "말뭉치.tar.gz", "w:gz") as tar:
        tar.add(folder, "소리")
    return tmp_path


def readings(path: Path, pcm: str | None) -> Iterator[np.ndarray]:
    yield read_audio(path, pcm=pcm)
    yield read_audio(path, start_s=0.1, duration_s=0.3, channel=0, pcm=pcm)
    yield np.concatenate(list(read_blocks(path, start_s=0.05, duration_s=0.4, pcm=pcm)))
    yield decode(path, pcm=pcm).samples
    yield Preprocessing().load(path, pcm=pcm)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "b.pcm"])
def test_archives_give_the_samples_of_the_loose_file(corpus: Path, name: str) -> None:
    pcm = "s16le:16000" if name == "b.pcm" else None
    loose = corpus / "말뭉치" / "소리" / name
    for archive in ("말뭉치.zip", "말뭉치.tar.gz"):
        contained = corpus / archive / "소리" / name
        assert read_header(contained, pcm=pcm) == read_header(loose, pcm=pcm)
        for one, other in zip(readings(loose, pcm), readings(contained, pcm), strict=True):
            assert np.array_equal(one, other)


def test_archive_whose_name_is_spelt_otherwise(corpus: Path) -> None:
    name = unicodedata.normalize("NFD", "말뭉치.zip")
    assert len(read_audio(corpus / name / "소리" / "a.wav")) == 16000


def test_missing_member_and_file_below_a_recording_do_not_exist(corpus: Path) -> None:
    for path in (
        corpus / "말뭉치.zip" / "소리" / "c.wav",
        corpus / "말뭉치" / "소리" / "a.wav" / "b.wav",
        corpus / "말뭉치" / "c.wav",
        corpus / "other.zip" / "a.wav",
    ):
        with pytest.raises(MissingAudioError, match="does not exist"):
            read_audio(path)
        assert not AudioStore().has(path)


def test_recordings_in_an_archive_are_listed(corpus: Path) -> None:
    inside = AudioStore().recordings_in(corpus / "말뭉치.zip")
    assert inside == [
        corpus / "말뭉치.zip" / "소리" / name for name in ("a.flac", "a.mp3", "a.ogg", "a.wav", "b.pcm")
    ]
    assert AudioStore().recordings_in(corpus / "말뭉치" / "소리" / "a.wav") is None
    assert AudioStore().recordings_in(corpus / "말뭉치") is None


def test_archive_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for length in (1000, 2000):
        soundfile.write(tmp_path / "a.wav", np.zeros(length), 16000)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "a.wav", "a.wav")
        assert read_header(path / "a.wav").num_frames == length


def test_empty_member_is_one_sentence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.wav", b"")
    with pytest.raises(AudioError, match=r"is empty \(0 bytes\)"):
        read_audio(tmp_path / "a.zip" / "a.wav")


def test_archive_itself_is_named_as_what_it_is(corpus: Path) -> None:
    with pytest.raises(AudioError, match=r"a zip archive; name a recording in it: 말뭉치\.zip/NAME"):
        read_audio(corpus / "말뭉치.zip")


def test_threads_share_a_compressed_archive(corpus: Path) -> None:
    files = [corpus / "말뭉치.tar.gz" / "소리" / name for name in ("a.wav", "a.flac", "a.ogg")] * 10
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(read_audio, files))
    loose = [read_audio(corpus / "말뭉치" / "소리" / file.name) for file in files]
    assert all(np.array_equal(one, other) for one, other in zip(samples, loose, strict=True))
