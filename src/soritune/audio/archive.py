"""Recordings inside ZIP and TAR archives, read without unpacking. Next: `audio/audio_store.py`.

Korean ZIP programs write names in CP949 without a flag for it. They are decoded. Names are matched as on disk:
whatever the form of Hangul, and in any case of the suffix (`audio/files.py`).
"""

from __future__ import annotations

import re
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Generic, TypeVar

from soritune.audio.files import spelling_of
from soritune.errors import AudioError, reason_of

_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_Member = TypeVar("_Member")
LARGEST_BYTES = 1 << 31
"""A member is read into memory as a whole; a larger one is refused."""


@dataclass(slots=True)
class Listing:
    """The content of a folder, without that of the folders in it; sorted."""

    folders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


class Archive(Generic[_Member]):
    """What ZIP and TAR files have in common: their files by name."""

    path: Path
    _names: list[str]
    _members: dict[str, _Member]

    def names(self) -> list[str]:
        """Paths of its files, with "/" between folders."""
        return self._names

    def has(self, name: str) -> bool:
        """Whether it has a file at this path."""
        return spelling_of(name) in self._members

    @cached_property
    def folders(self) -> dict[str, Listing]:
        """Path of a folder → its content; "" is the archive itself."""
        folders: dict[str, Listing] = {"": Listing()}
        for name in sorted(set(self._names)):
            parts = name.split("/")
            if not all(parts) or ".." in parts:
                continue
            for depth in range(1, len(parts)):
                inner, outer = "/".join(parts[:depth]), "/".join(parts[: depth - 1])
                if inner not in folders:
                    folders[inner] = Listing()
                    folders[outer].folders.append(parts[depth - 1])
            folders["/".join(parts[:-1])].files.append(parts[-1])
        return folders


class ZipArchive(Archive[zipfile.ZipInfo]):
    """A ZIP file.

    Raises:
        AudioError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise AudioError(
                path, f"is a damaged ZIP archive ({reason_of(error)})", "archive-damaged"
            ) from error
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        self._names, self._members = _by_name([(_names_in_zip(info), info) for info in infos])

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
            raise AudioError(
                path, f"is damaged in its ZIP archive ({reason_of(error)})", "archive-damaged"
            ) from error
        except (NotImplementedError, RuntimeError) as error:
            raise AudioError(
                path, f"cannot be read from its ZIP archive ({error})", "archive-unreadable"
            ) from error


class TarArchive(Archive[tarfile.TarInfo]):
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
            raise AudioError(
                path, f"is a damaged TAR archive ({reason_of(error)})", "archive-damaged"
            ) from error
        self._names, self._members = _by_name([(_names_in_tar(info), info) for info in members])

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
            raise AudioError(
                path, f"is damaged in its TAR archive ({reason_of(error)})", "archive-damaged"
            ) from error
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
        raise AudioError(path, f"cannot be read ({reason_of(error)})", "audio-unreadable") from error
    return None


def _by_name(members: Sequence[tuple[list[str], _Member]]) -> tuple[list[str], dict[str, _Member]]:
    """The likeliest name of each member, and the members by the spelling of every name that they may have."""
    found: dict[str, _Member] = {}
    for choice in range(2):
        for names, member in members:
            if choice < len(names):
                found.setdefault(spelling_of(names[choice]), member)
    return [names[0] for names, _ in members], found


def _names_in_zip(info: zipfile.ZipInfo) -> list[str]:
    """The path of a member. Without the flag of UTF-8, Python reads names as CP437: they are UTF-8 or CP949."""
    name = info.filename
    if info.flag_bits & 0x800 or name.isascii():
        return [_plain(name)]
    return [_plain(text) for text in _decoded(name.encode("cp437"))] or [_plain(name)]


def _names_in_tar(info: tarfile.TarInfo) -> list[str]:
    name = info.name
    if name.isascii():
        return [_plain(name)]
    return [_plain(text) for text in _decoded(name.encode("utf-8", "surrogateescape"))] or [_plain(name)]


def _decoded(raw: bytes) -> list[str]:
    """Bytes of a name as text, the likelier one first: UTF-8, or CP949 if that alone has Hangul.

    A short name in CP949 can be valid UTF-8, so that both are possible.
    """
    texts = []
    for encoding in ("utf-8", "cp949"):
        with suppress(UnicodeDecodeError):
            texts.append(raw.decode(encoding))
    return sorted(texts, key=lambda text: _HANGUL.search(text) is None)


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def _refuse_large(path: Path, size: int) -> None:
    if size > LARGEST_BYTES:
        raise AudioError(
            path,
            f"has {size / 1e9:.1f} GB, and an archive's file is read into memory; unpack it",
            "archive-large",
        )
