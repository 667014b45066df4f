"""Where a recording is: the one place that knows containers. Next: `audio/waveform.py`.

A path leads to a file on disk, or into a container:

    corpus.zip/folder/a.wav            a file in a ZIP or TAR archive, as it was downloaded
    shards/shard-00012.arrow/345.flac  a row of a packed corpus (`soritune pack`)
    https://host/a.wav                 a URL

The decoders (`audio/waveform.py`) ask `STORE` for every path that is not a file on disk, so every command reads all of
them alike.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from pathlib import Path

from soritune.audio.archive import Listing, TarArchive, ZipArchive, open_archive
from soritune.audio.audio_file import AudioFile
from soritune.audio.files import SUFFIXES, as_on_disk
from soritune.audio.remote import read_url, url_of
from soritune.audio.shard import SHARD_SUFFIX, Shard
from soritune.errors import AudioError

Container = ZipArchive | TarArchive | Shard
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", SHARD_SUFFIX)
_MOST_ARCHIVES = 16
"""Archives that a process keeps open; the list of files of a large one takes memory."""
_MOST_SHARDS = 4096
"""Shards whose positions a process keeps: 16 bytes a row."""
_KEPT_BYTES = 64 << 20
"""The last file of an archive or URL is kept up to this size, as the rows of a long recording are read one by one."""


class AudioStore:
    """Finds recordings by path. Threads may share it; a forked process opens its files again."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._archives: OrderedDict[str, tuple[_Stamp, Container | None]] = OrderedDict()
        self._shards: OrderedDict[str, tuple[_Stamp, Container | None]] = OrderedDict()
        self._last: tuple[str, object, bytes] | None = None

    def find(self, path: Path) -> AudioFile | None:
        """The recording at a path that is not a file on disk; None if the path leads into no container either.

        Raises:
            AudioError: the container or the recording is damaged, or a URL cannot be read.
        """
        place = self._container_at(path)
        content = None if place is None else self._member(*place)
        if content is None:
            url = url_of(path)
            content = (
                None if url is None else self._kept(url, None) or self._keep(url, None, read_url(url, path))
            )
        if content == b"":
            raise AudioError(path, "is empty (0 bytes)", "audio-empty")
        return None if content is None else AudioFile(path, content)

    def _member(self, container: Container, name: str) -> bytes | None:
        if isinstance(container, Shard):
            return container.read(name)
        content = self._kept(name, container)
        if content is None and (content := container.read(name)) is not None:
            self._keep(name, container, content)
        return content

    def has(self, path: Path) -> bool:
        """Whether a path that is not a file on disk leads to a recording. Every URL counts: it is not opened.

        Raises:
            AudioError: the container is damaged.
        """
        place = self._container_at(path)
        return (place is not None and place[0].has(place[1])) or url_of(path) is not None

    def recordings_in(self, path: Path) -> list[Path] | None:
        """The recordings in an archive or shard by their suffix, sorted; None if the path is not that of one.

        Raises:
            AudioError: it is damaged.
        """
        file = as_on_disk(path)
        if not file.name.lower().endswith(_ARCHIVE_SUFFIXES) or not file.is_file():
            return None
        status = file.stat()
        container = self._opened(file, (status.st_ino, status.st_size, status.st_mtime_ns))
        if container is None:
            return None
        names = (name for name in container.names() if Path(name).suffix.lower() in SUFFIXES)
        visible = (
            name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
        )
        return [path / name for name in sorted(visible)]

    def listing(self, path: Path) -> Listing | None:
        """The content of an archive, or of a folder inside one; None if the path leads to neither.

        Raises:
            AudioError: the archive is damaged.
        """
        place = self._container_at(path / "file")
        if place is None or isinstance(place[0], Shard):
            return None
        inside = place[1].rpartition("/")[0]
        return place[0].folders.get(inside)

    def content(self, path: Path) -> bytes | None:
        """The bytes of any file in an archive; None if the path leads to none.

        Raises:
            AudioError: the archive or the file is damaged.
        """
        place = self._container_at(path)
        return None if place is None else place[0].read(place[1])

    def _keep(self, name: str, container: object, content: bytes) -> bytes:
        self._last = (name, container, content) if len(content) <= _KEPT_BYTES else None
        return content

    def _kept(self, name: str, container: object) -> bytes | None:
        last = self._last
        return last[2] if last is not None and last[0] == name and last[1] is container else None

    def _container_at(self, path: Path) -> tuple[Container, str] | None:
        """The container on the way to a path, and the rest of the path."""
        for parent in path.parents:
            try:
                file, status = parent, os.stat(parent)
            except NotADirectoryError:
                continue
            except OSError:
                file = as_on_disk(parent)  # an archive whose name is spelt otherwise on disk
                if file == parent:
                    continue
                status = os.stat(file)
            if not stat.S_ISREG(status.st_mode):
                break
            container = self._opened(file, (status.st_ino, status.st_size, status.st_mtime_ns))
            return None if container is None else (container, path.relative_to(parent).as_posix())
        return None

    def _opened(self, path: Path, stamp: _Stamp) -> Container | None:
        name = str(path)
        is_shard = path.suffix == SHARD_SUFFIX
        opened, most = (self._shards, _MOST_SHARDS) if is_shard else (self._archives, _MOST_ARCHIVES)
        with self._lock:
            known = opened.get(name)
            if known is not None and known[0] == stamp:
                opened.move_to_end(name)
                return known[1]
        container: Container | None = Shard(path) if is_shard else open_archive(path)
        with self._lock:
            opened[name] = (stamp, container)
            if len(opened) > most:
                opened.popitem(last=False)
        return container


_Stamp = tuple[int, int, int]
STORE = AudioStore()
"""That of this process."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=STORE._forget)
