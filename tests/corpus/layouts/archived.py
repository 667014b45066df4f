"""A corpus as it is downloaded: folders as archives, with names as Korean programs write them."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path


class _OldName(zipfile.ZipInfo):
    """A name in CP949 without the flag that would say so."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - called by zipfile
        return self.filename.encode("cp949"), self.flag_bits & ~0x800


def archive(folder: Path, *, top: bool = False, suffix: str = ".zip") -> Path:
    """Puts what a folder holds into an archive of its name, and removes the folder.

    Args:
        folder: The folder.
        top: Paths in the archive begin with the folder's name.
        suffix: .zip, with names in CP949, or .tar.
    """
    path = folder.with_name(folder.name + suffix)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    names = [str(file.relative_to(folder.parent if top else folder)) for file in files]
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as target:
            for file, name in zip(files, names, strict=True):
                target.writestr(_OldName(name), file.read_bytes())
    else:
        with tarfile.open(path, "w", encoding="cp949") as tar:
            for file, name in zip(files, names, strict=True):
                tar.add(file, name)
    shutil.rmtree(folder)
    return path
