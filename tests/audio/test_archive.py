"""Recordings in ZIP and TAR archives as Korean programs write them."""

from __future__ import annotations

import io
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest

from soritune.audio.archive import TarArchive, ZipArchive, open_archive
from soritune.errors import AudioError

NAME = "아이들/첫째 문장.WAV"


def cp949_zip(path: Path, content: bytes) -> Path:
    """A ZIP whose name is in CP949 without a flag, as older Korean programs write it: the bytes are put in by hand."""
    placeholder = "x" * len(NAME.encode("cp949"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(placeholder, content)
    raw = path.read_bytes()
    assert raw.count(placeholder.encode()) == 2
    path.write_bytes(raw.replace(placeholder.encode(), NAME.encode("cp949")))
    return path


def test_names_in_cp949_without_a_flag_are_korean(tmp_path: Path) -> None:
    archive = open_archive(cp949_zip(tmp_path / "a.zip", b"sound"))
    assert isinstance(archive, ZipArchive)
    assert archive.names() == [NAME]
    # Another form of Hangul and the other case of the suffix mean the same file, as on disk.
    assert archive.read(unicodedata.normalize("NFD", "아이들/첫째 문장.wav")) == b"sound"
    assert archive.read("아이들/둘째 문장.wav") is None
    assert archive.has(NAME)
    assert not archive.has("아이들")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("첫째".encode("cp949"), "첫째"),  # these bytes are valid UTF-8, too, for other letters
        ("첫째".encode(), "첫째"),
        (unicodedata.normalize("NFD", "가").encode(), unicodedata.normalize("NFD", "가")),
    ],
)
def test_encoding_of_short_names(tmp_path: Path, raw: bytes, name: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo(raw.decode("latin-1")))
    assert TarArchive(path).names() == [name]


def test_name_that_is_valid_in_both_encodings_is_found_by_either(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("é.wav"))
    assert TarArchive(tmp_path / "a.tar").has("é.wav")
    assert TarArchive(tmp_path / "a.tar").has("챕.wav")


def test_names_in_utf8_with_and_without_the_flag(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "flagged.zip", "w") as archive:
        archive.writestr(NAME, b"one", zipfile.ZIP_DEFLATED)
    raw = (tmp_path / "flagged.zip").read_bytes()
    # Bit 11 of the flags says UTF-8: offset 6 of the local header, 8 of the entry of the central directory.
    plain = bytearray(raw)
    plain[7] &= ~0x08
    plain[raw.index(b"PK\x01\x02") + 9] &= ~0x08
    (tmp_path / "plain.zip").write_bytes(plain)
    for name in ("flagged.zip", "plain.zip"):
        opened = open_archive(tmp_path / name)
        assert opened is not None
        assert opened.names() == [NAME]
        assert opened.read(NAME) == b"one"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_in_any_compression_and_encoding(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tar"
    for encoding in ("utf-8", "cp949"):
        with tarfile.open(path, mode, format=tarfile.GNU_FORMAT, encoding=encoding) as archive:  # type: ignore[call-overload]
            for name, content in ((f"./{NAME}", b"one"), ("b.wav", b"two")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        opened = open_archive(path)
        assert isinstance(opened, TarArchive)
        assert opened.names() == [NAME, "b.wav"]
        assert opened.read("b.wav") == b"two"
        assert opened.read(NAME) == b"one"  # it lies before the one that was read
        assert opened.read("c.wav") is None


def test_damaged_member_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.wav", b"0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780", 1))
    with pytest.raises(AudioError, match=r"a\.zip/a\.wav: is damaged in its ZIP archive \(Bad CRC-32"):
        ZipArchive(path).read("a.wav")


def test_truncated_archives_are_one_sentence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.wav", bytes(5000))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("a.wav")
        info.size = 50_000
        tar.addfile(info, io.BytesIO(bytes(50_000)))
    for name, kind in (("a.zip", "ZIP"), ("a.tar", "TAR")):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(AudioError, match=f"damaged.* {kind} archive"):
            _read(path, "a.wav")


def _read(path: Path, name: str) -> bytes | None:
    archive = open_archive(path)
    assert archive is not None
    return archive.read(name)


def test_encrypted_member_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.wav", b"0123456789")
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # bit 0 of the flags is encryption
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(AudioError, match="is encrypted in its ZIP archive"):
        ZipArchive(path).read("a.wav")


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF" + bytes(600))
    assert open_archive(tmp_path / "a.wav") is None
