"""Recordings inside ZIP and TAR archives, read without unpacking. Next: `audio/audio_store.py`.

Korean ZIP programs write names in CP949 without a flag for it. They are decoded. Names are matched as on disk:
whatever the form of Hangul, and in any case of the suffix (`audio/files.py`).
"""

from __future__ import annotations

import os
import tarfile
import threading
import zipfile
import zlib
from pathlib import Path
from typing import IO

from soritune.audio.files import spelling_of
from soritune.errors import AudioError

LARGEST_BYTES = 1 << 31
"""A member is read into memory as a whole; a larger one is refused."""


class ZipArchive:
    """A ZIP file.

    Raises:
        AudioError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise AudioError(path, f"is a damaged ZIP archive ({error})", "archive-damaged") from error
        self._members = {
            spelling_of(_name_in_zip(info)): info for info in self._zip.infolist() if not info.is_dir()
        }

    def names(self) -> list[str]:
        """Paths of its files, with "/" between folders."""
        return [_name_in_zip(info) for info in self._members.values()]

    def has(self, name: str) -> bool:
        """Whether it has a file at this path."""
        return spelling_of(name) in self._members

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is no such file.

        Raises:
            AudioError: it is encrypted, damaged, too large, or compressed by an unknown method.
        """
        info = self._members.get(spelling_of(name))
        if info is None:
            return None
        path = self.path / name
        _refuse_large(path, info.file_size)
        if info.flag_bits & 1:
            raise AudioError(
                path, "is encrypted in its ZIP archive; unpack it with the password", "archive-encrypted"
            )
        try:
            return self._zip.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise AudioError(path, f"is damaged in its ZIP archive ({error})", "archive-damaged") from error
        except (NotImplementedError, RuntimeError) as error:
            raise AudioError(
                path, f"cannot be read from its ZIP archive ({error})", "archive-unreadable"
            ) from error


class TarArchive:
    """A TAR file, also a compressed one.

    A compressed archive has no random access: it is decompressed from its beginning for its list of files, and again
    whenever a file lies before the last one that was read.

    Raises:
        AudioError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._tar = tarfile.open(path, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - stays open
            members = [info for info in self._tar if info.isreg()]
        except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
            raise AudioError(path, f"is a damaged TAR archive ({error})", "archive-damaged") from error
        self._members = {spelling_of(_name_in_tar(info)): info for info in members}

    def names(self) -> list[str]:
        """Paths of its files, with "/" between folders."""
        return [_name_in_tar(info) for info in self._members.values()]

    def has(self, name: str) -> bool:
        """Whether it has a file at this path."""
        return spelling_of(name) in self._members

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is no such file.

        Raises:
            AudioError: it is damaged or too large.
        """
        info = self._members.get(spelling_of(name))
        if info is None:
            return None
        path = self.path / name
        _refuse_large(path, info.size)
        try:
            with self._lock:
                stream: IO[bytes] | None = self._tar.extractfile(info)
                content = b"" if stream is None else stream.read()
        except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
            raise AudioError(path, f"is damaged in its TAR archive ({error})", "archive-damaged") from error
        if len(content) < info.size:
            raise AudioError(path, "is damaged: its TAR archive ends before it does", "archive-damaged")
        return content


def open_archive(path: Path) -> ZipArchive | TarArchive | None:
    """The archive at a path of a file; None if it is not an archive.

    Raises:
        AudioError: it is damaged or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return ZipArchive(path)
        is_compressed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0"))
        if head[257:262] == b"ustar" or is_compressed or path.suffix.lower() == ".tar":
            return TarArchive(path)
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror or error})", "audio-unreadable") from error
    return None


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """The path of a member. Without the flag of UTF-8, Python reads names as CP437: they are UTF-8 or CP949."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        name = _decoded(name.encode("cp437")) or name
    return _plain(name)


def _name_in_tar(info: tarfile.TarInfo) -> str:
    name = info.name
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        name = _decoded(os.fsencode(name)) or name
    return _plain(name)


def _decoded(raw: bytes) -> str | None:
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def _refuse_large(path: Path, size: int) -> None:
    if size > LARGEST_BYTES:
        raise AudioError(
            path,
            f"has {size / 1e9:.1f} GB, and an archive's file is read into memory; unpack it",
            "archive-large",
        )
