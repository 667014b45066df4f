"""Data folders of Kaldi and ESPnet: a `wav.scp`, mostly with `text`, `utt2spk`, `segments` and `spk2gender`.

ROOT is such a folder, or has several of them, such as `data/train` and `data/test`; the split in a folder's name goes
to `extra`. Further files `utt2X` and `spk2X` are read too (`corpus/reading/kaldi_folder.py`).

Known faults of such folders: commands instead of files in `wav.scp` (they are rejected, never run), paths relative to
the folder in which the recipe was started (`audio_root`), archives (`.ark`) instead of recordings, copies of a set
with another speed (`train_sp`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from soritune.corpus.reading.audio_paths import AudioFinder
from soritune.corpus.reading.field_mapping import FieldValueError
from soritune.corpus.reading.folder_walk import walk_folders
from soritune.corpus.reading.given_files import folder_of
from soritune.corpus.reading.kaldi_folder import WAV_SCP, KaldiRow, read_folder
from soritune.corpus.reading.outcomes import Outcome, Rejected
from soritune.corpus.reading.split_names import split_of_file
from soritune.corpus.reading.value_reader import ReaderConfig, ValueReader
from soritune.corpus.sources.source import Source
from soritune.errors import ManifestError
from soritune.korean.hangul import composed

_DEPTH = 3
"""A data folder is searched at this depth below ROOT, as in dump/raw/train."""
_ABOVE = 2
"""Relative paths may start in the data folder, in ROOT, or this number of folders above ROOT."""


class KaldiConfig(ReaderConfig):
    """Which data folders, and where their paths start."""

    folders: tuple[str, ...] = ()
    """Data folders below ROOT, as in [data/train, data/test]. Empty: ROOT itself, or all that are below it."""
    audio_root: str | None = None
    """Where relative paths of wav.scp start, absolute or below ROOT; None tries the data folder, ROOT, and two folders
    above ROOT."""
    drop_prefix: str = ""
    """Beginning of the written paths to be cut off."""
    language: str | None = "ko"
    """Language of rows without one."""


def read_corpus(root: Path, config: KaldiConfig) -> Iterator[Outcome]:
    """Yields the utterances of all data folders.

    Raises:
        ManifestError: no data folder, or a file that cannot be read.
    """
    home = folder_of(root)
    for name in data_folders(home, config.folders):
        folder = home / name
        starts = [folder, home, *list(home.absolute().parents)[:_ABOVE]]
        if config.audio_root is not None:
            starts = [home / config.audio_root]
        finder = AudioFinder(starts, base(root, config), config.drop_prefix, config._matched)
        values = ValueReader.of(config, composed(home.resolve().name), config.language)
        split = split_of_file(folder.resolve().name)
        for item in read_folder(folder, name):
            yield _outcome(item, finder, values, split) if isinstance(item, KaldiRow) else item


def _outcome(row: KaldiRow, finder: AudioFinder, values: ValueReader, split: str | None) -> Outcome:
    audio = finder.find(row.audio) or finder.expected(row.audio)
    extra = dict(row.extra)
    if split is not None:
        extra.setdefault("split", split)
    try:
        return values.utterance(row.given, name=row.id, audio=audio, extra=extra)
    except FieldValueError as error:
        return Rejected(row.audio, f"{row.location}: {error}", row.id, kind=error.kind)


def data_folders(home: Path, names: tuple[str, ...] = ()) -> list[str]:
    """The data folders of a corpus, below `home`; "" is `home` itself.

    Raises:
        ManifestError: a named folder has no wav.scp, or no folder has one.
    """
    if names:
        for name in names:
            if not (home / name / WAV_SCP).is_file():
                raise ManifestError(f"holds no {WAV_SCP}", path=home / name)
        return list(names)
    if (home / WAV_SCP).is_file():
        return [""]
    found = []
    for folder in walk_folders(home):
        if WAV_SCP in folder.names:
            found.append(folder.relative)
        if folder.relative.count("/") >= _DEPTH - 1 and folder.relative:
            folder.folders.clear()
    if not found:
        raise ManifestError(
            f"holds no {WAV_SCP}, nor does a folder in it; name one with folders=[…]", path=home
        )
    return found


def base(root: Path, config: KaldiConfig) -> Path:
    """Where relative paths in the manifest start."""
    home = folder_of(root).absolute()
    return home if config.audio_root is None else home / config.audio_root


SOURCE = Source(
    KaldiConfig,
    read_corpus,
    "Kaldi and ESPnet data folders: wav.scp, segments, text, utt2spk, spk2gender",
    base,
)
