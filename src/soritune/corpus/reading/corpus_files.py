"""Folders and files of a corpus as it was downloaded: on disk, and inside ZIP and TAR archives alike.

An archive counts as a folder with its name. A compressed TAR has no random access and is not entered.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from soritune.audio.archive import Listing
from soritune.audio.audio_store import STORE
from soritune.errors import AudioError

_SUFFIXES = (".zip", ".tar")
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def is_archive(name: str) -> bool:
    """Whether a name is that of an archive that is read like a folder, by its suffix in upper or lower case."""
    return name.lower().endswith(_SUFFIXES)


def is_compressed(name: str) -> bool:
    """Whether a name is that of a compressed TAR."""
    return name.lower().endswith(_COMPRESSED)


def unpacked(path: str) -> str:
    """A path with "/" between folders as it is once every archive on it is unpacked into a folder of its own name."""
    *folders, name = path.split("/")
    return "/".join([*(os.path.splitext(part)[0] if is_archive(part) else part for part in folders), name])


def listing(path: Path) -> Listing:
    """The content of a folder, on disk or in an archive, or of an archive. Hidden names are left out.

    Raises:
        OSError: the folder does not exist, or cannot be listed.
    """
    if path.is_dir():
        with os.scandir(os.fspath(path)) as entries:
            names = sorted((entry.name, _is_folder(entry)) for entry in entries)
        found = Listing(
            [name for name, folder in names if folder], [name for name, folder in names if not folder]
        )
    else:
        inside = _contained(path)
        if inside is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        found = inside
    return Listing(*([name for name in names if name[0] != "."] for names in (found.folders, found.files)))


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder, on disk or in an archive, or to an archive that can be read."""
    try:
        return path.is_dir() or _contained(path) is not None
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether a path leads to a file, on disk or in an archive."""
    return path.is_file() or STORE.has(path)


def read_file(path: Path) -> bytes:
    """The bytes of a file, on disk or in an archive.

    Raises:
        OSError: the file does not exist or cannot be read.
    """
    try:
        return path.read_bytes()
    except NotADirectoryError:
        try:
            content = STORE.content(path)
        except AudioError as error:
            raise OSError(errno.EIO, error.reason, str(path)) from error
        if content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
        return content


def _contained(path: Path) -> Listing | None:
    if not any(map(is_archive, path.parts)):  # a workbook is a ZIP file, too
        return None
    try:
        return STORE.listing(path)
    except AudioError as error:
        raise OSError(errno.EIO, error.reason, str(path)) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to a place without permission; reading it reports the fault
