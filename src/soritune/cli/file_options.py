"""Options of the verbs that take audio files or the rows of a manifest: --splits, --split, --root, --pcm."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soritune.errors import SorituneError

Splits = Annotated[Path | None, typer.Option(help="Splits file, to take one split of the manifest.")]
Split = Annotated[str, typer.Option(help="Split to take when --splits is given.")]
Root = Annotated[Path | None, typer.Option(help="Where the manifest's audio paths start.")]
Pcm = Annotated[
    str | None,
    typer.Option(help="Encoding, rate and channels of files without a header (.pcm), as s16le:16000."),
]


def check_files_or_rows(
    audio: list[Path] | None, manifest: Path | None, splits: Path | None, root: Path | None
) -> None:
    """Checks that a verb gets either files or a manifest, and options of a manifest only with one.

    Raises:
        SorituneError: it does not.
    """
    if bool(audio) == (manifest is not None):
        raise SorituneError("give either audio files (or folders) or --manifest")
    if manifest is None and (splits is not None or root is not None):
        raise SorituneError(f"{'--splits' if splits is not None else '--root'} needs --manifest")


def check_paths(audio: list[Path] | None, manifest: Path | None) -> None:
    """Checks that the manifest, or one of the audio files, exists, before libraries are loaded.

    Raises:
        SorituneError: it does not.
    """
    from soritune.audio.files import as_on_disk

    if manifest is not None and not as_on_disk(manifest).exists():
        raise SorituneError(f"{manifest}: there is no such file; name a manifest or a table of recordings")
    if audio and not any(as_on_disk(path).exists() for path in audio):
        raise SorituneError(f"{audio[0]}: does not exist; give audio files or folders that exist")
