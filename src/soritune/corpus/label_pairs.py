"""Which JSON label belongs to which recording: the one of the same name, beside it or in a parallel tree."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from soritune.corpus.folder_walk import Folder, composed, is_audio, walk_folders, writable_name
from soritune.corpus.sources.source import Rejected, Skipped
from soritune.corpus.split_names import SplitFolders

LABEL_FOLDERS = {"라벨링데이터": "원천데이터", "TL": "TS", "VL": "VS", "[라벨]": "[원천]", "labels": "audio"}
"""Names (or beginnings of names) of folders of labels → those of the folders of their recordings."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A label and its recording, both as paths below the root, and the recording's id."""

    label: str
    audio: str
    name: str


def find_pairs(
    root: Path, parallel: Mapping[str, str], splits: SplitFolders
) -> Iterator[Pair | Rejected | Skipped]:
    """Walks a corpus folder by folder; what has no partner is told.

    Raises:
        ManifestError: a folder cannot be listed.
    """
    back = {audio: label for label, audio in parallel.items()}
    for folder in walk_folders(root):
        for name, why in splits.left_out(folder.folders).items():
            folder.folders.remove(name)
            yield from _counted(folder.path / name, name, why)
        labels = {name: "" for name in folder.names if is_label(name)}
        audio = [name for name in folder.names if is_audio(name)]
        yield from _matched(labels, audio, folder.relative, folder.relative)
        taken = set(labels.values())
        if any(not partner for partner in labels.values()):
            yield from _lonely_labels(root, folder, labels, parallel)
        left = [name for name in audio if name not in taken]
        if left:
            yield from _lonely_audio(root, folder, left, back)


def is_label(name: str) -> bool:
    """Whether a file is JSON by its suffix, in any case."""
    return name.lower().endswith(".json")


def counterpart(place: str, names: Mapping[str, str]) -> Iterator[str]:
    """Where the other half of a parallel tree may be, likeliest first; nothing where no folder has a known name.

    A name fits a folder that is called so, or begins so and goes on with a sign or a digit (TL1, TL_seoul).
    """
    parts = place.split("/")
    every = "/".join(_renamed(part, names, exact=False) for part in parts)
    exact = "/".join(_renamed(part, names, exact=True) for part in parts)
    for other in dict.fromkeys((every, exact)):
        if other != composed(place):
            yield from dict.fromkeys((other, unicodedata.normalize("NFD", other)))


def _renamed(part: str, names: Mapping[str, str], *, exact: bool) -> str:
    own = composed(part)
    for name, other in names.items():
        if own == name:
            return other
        follows = own[len(name) : len(name) + 1]
        if not exact and own.startswith(name) and not (name[-1].isalpha() and follows.isalpha()):
            return other + own[len(name) :]
    return own


def _matched(
    labels: dict[str, str], audio: list[str], label_place: str, audio_place: str
) -> Iterator[Pair | Rejected]:
    """Pairs labels with recordings, both names of one folder each; fills in each label's partner."""
    stems = Counter(composed(_stem(name)) for name in audio)
    by_name: dict[str, str] = {}
    for name in audio:
        by_name.setdefault(composed(_stem(name)), name)
    for name in audio:
        by_name.setdefault(composed(name), name)
    for key, name in list(by_name.items()):
        by_name.setdefault(key.casefold(), name)
    owners: dict[str, str] = {}
    for label in labels:
        key = composed(_stem(label))
        partner = by_name.get(key) or by_name.get(key.casefold())
        if partner is None:
            continue
        labels[label] = partner
        if partner in owners:
            yield Rejected(_join(label_place, label), f"'{partner}' already has the label {owners[partner]}")
            continue
        owners[partner] = label
        path = composed(_join(audio_place, partner))
        name = path if stems[composed(_stem(partner))] > 1 else _stem(path)
        yield Pair(_join(label_place, label), _join(audio_place, partner), name)


def _lonely_labels(
    root: Path, folder: Folder, labels: dict[str, str], parallel: Mapping[str, str]
) -> Iterator[Pair | Rejected]:
    lonely = {name: "" for name, partner in labels.items() if not partner}
    for place in counterpart(folder.relative, parallel):
        audio = _listed(root / place, is_audio)
        if audio:
            yield from _matched(lonely, audio, folder.relative, place)
            break
    for name, partner in lonely.items():
        if not partner:
            yield Rejected(folder.place(name), "has no recording of its name")


def _lonely_audio(
    root: Path, folder: Folder, audio: list[str], back: Mapping[str, str]
) -> Iterator[Rejected]:
    for place in counterpart(folder.relative, back):
        labels = dict.fromkeys(_listed(root / place, is_label), "")
        if labels:
            for _ in _matched(labels, audio, place, folder.relative):
                pass  # told when the walk comes to the labels
            audio = [name for name in audio if name not in labels.values()]
            break
    for name in audio:
        yield Rejected(folder.place(name), "has no JSON label of its name")


def _counted(path: Path, name: str, why: str) -> Iterator[Skipped]:
    told = (
        "left out by split_folders" if why == "unwanted" else f"passed over, {composed(name)}_split is there"
    )
    for folder in walk_folders(path):
        found = [label for label in folder.names if is_label(label)]
        if found:
            yield Skipped(f"label in {composed(name)} {told}", len(found), writable_name(found[0])[0])


def _listed(path: Path, wanted: Callable[[str], bool]) -> list[str]:
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [name for name in names if not name.startswith(".") and wanted(name)]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _join(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name
