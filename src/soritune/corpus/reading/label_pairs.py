"""Pairs of a recording and its JSON label, which has the same name, beside it or in a parallel tree."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from soritune.audio.archive import Listing
from soritune.audio.files import recordings
from soritune.corpus.reading.corpus_files import is_archive, is_folder, listing, unpacked
from soritune.corpus.reading.folder_walk import (
    Folder,
    walk_folders,
    writable_name,
)
from soritune.corpus.reading.outcomes import Note, Rejected, Skipped
from soritune.corpus.reading.split_names import SplitFolders
from soritune.korean.hangul import composed

LABEL_FOLDERS = {"라벨링데이터": "원천데이터", "TL": "TS", "VL": "VS", "[라벨]": "[원천]", "labels": "audio"}
"""Folder of labels → folder of their recordings; names, or beginnings of names."""
_NUMBER = re.compile(r"\d+\.\s*(?=\D)")
"""Before a folder's name: 02.라벨링데이터 belongs to 01.원천데이터."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A label and its recording, both as paths below the root, and the recording's id."""

    label: str
    audio: str
    name: str


def find_pairs(
    root: Path, parallel: Mapping[str, str], splits: SplitFolders
) -> Iterator[Pair | Rejected | Skipped | Note]:
    """Walks a corpus folder by folder and yields its pairs, and what has no partner.

    Args:
        root: The corpus.
        parallel: Folder of labels → folder of recordings, by name or beginning of a name.
        splits: Says which folders to leave out.

    Raises:
        ManifestError: a folder cannot be listed.
    """
    labels_of = {audio: label for label, audio in parallel.items()}
    _folders_of.cache_clear()
    for folder in walk_folders(root, archives=True):
        yield from folder.outcomes
        for name, why in splits.left_out(folder.folders).items():
            folder.folders.remove(name)
            yield from _left_out_labels(folder.path / name, name, why)
        labels = {name: "" for name in folder.names if is_label(name)}
        audio = recordings(folder.names)
        yield from _matched(labels, audio, folder.relative, folder.relative)
        paired = set(labels.values())
        if any(not partner for partner in labels.values()):
            yield from _pairs_elsewhere(root, folder, labels, parallel)
        unpaired = [name for name in audio if name not in paired]
        if unpaired:
            yield from _audio_without_label(root, folder, unpaired, labels_of)


def is_label(name: str) -> bool:
    """Whether a file is JSON by its suffix, in upper or lower case."""
    return name.lower().endswith(".json")


def counterparts(root: Path, folder: str, names: Mapping[str, str]) -> Iterator[str]:
    """The folders that may be the other half of a parallel tree, the likeliest first, as paths below the root.

    A name fits a folder with this name, and one whose name continues it with a sign or a digit (TL1, TL_seoul). A
    number before the name does not matter, nor does the spelling of Hangul on disk (NFC or NFD). If no name fits a
    part of `folder`, there is no counterpart.
    """
    parts = folder.split("/")
    for renamed in dict.fromkeys(
        tuple(_renamed(part, names, exact=exact) for part in parts) for exact in (False, True)
    ):
        if any(new != composed(old) for new, old in zip(renamed, parts, strict=True)):
            yield from _spelt_on_disk(root, list(zip(parts, renamed, strict=True)))


def names_part_of(path: str, name: str) -> bool:
    """Whether a folder of a path has this name, or one that `counterparts` takes for it."""
    return any(_renamed(part, {name: ""}, exact=False) != composed(part) for part in path.split("/")[:-1])


def _renamed(part: str, names: Mapping[str, str], *, exact: bool) -> str:
    full = composed(part)
    bare = _without_number(full)
    for name, partner in names.items():
        if name in (full, bare):
            return partner
        following = bare[len(name) : len(name) + 1]
        if not exact and bare.startswith(name) and not (name[-1].isalpha() and following.isalpha()):
            return partner + bare[len(name) :]
    return full


def _bare_name(name: str) -> str:
    return os.path.splitext(name)[0] if is_archive(name) else name


def _without_number(name: str) -> str:
    return name[match.end() :] if (match := _NUMBER.match(name)) else name


def _spelt_on_disk(root: Path, parts: list[tuple[str, str]], parent: str = "") -> Iterator[str]:
    """The paths below the root that `parts` lead to: (name in this tree, composed name in the other) each."""
    if not parts:
        yield parent
        return
    (old, new), *rest = parts
    same = new == composed(old)
    if same and is_folder(root / parent / old):
        spellings: Iterable[str] = (old,)
    else:
        known = _folders_of(root / parent)[0 if same else 1]
        spellings = known.get(new, known.get(_bare_name(new), []))
    for name in spellings:
        yield from _spelt_on_disk(root, rest, _join(parent, name))


@lru_cache(maxsize=32)
def _folders_of(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Composed name → names on disk; and the same for names without the number before them. Archives are folders, also
    under their names without the suffix, as one of two parallel trees may be unpacked."""
    full: dict[str, list[str]] = {}
    bare: dict[str, list[str]] = {}
    try:
        inside = listing(path)
    except OSError:
        inside = Listing()
    for name in (*inside.folders, *filter(is_archive, inside.files)):
        for plain in dict.fromkeys((composed(name), _bare_name(composed(name)))):
            full.setdefault(plain, []).append(name)
            for key in {plain, _without_number(plain)}:
                bare.setdefault(key, []).append(name)
    return full, bare


def _matched(
    labels: dict[str, str],
    audio: list[str],
    label_folder: str,
    audio_folder: str,
    label_of: Mapping[str, str] | None = None,
) -> Iterator[Pair | Rejected]:
    """Pairs the labels of one folder with the recordings of one folder, and fills in each label's partner.

    Args:
        labels: Name of a label → name of its recording, "" until it is known.
        audio: Names of recordings.
        label_folder: Folder of the labels below the root.
        audio_folder: Folder of the recordings below the root.
        label_of: Recording that already has a label → path of that label.
    """
    stems = Counter(composed(_stem(name)) for name in audio)
    by_name: dict[str, str] = {}
    for name in audio:
        by_name.setdefault(composed(_stem(name)), name)
    for name in audio:
        by_name.setdefault(composed(name), name)
    for key, name in list(by_name.items()):
        by_name.setdefault(key.casefold(), name)
    label_of = dict(label_of or {})
    for label in labels:
        key = composed(_stem(label))
        partner = by_name.get(key) or by_name.get(key.casefold())
        if partner is None:
            continue
        labels[label] = partner
        if partner in label_of:
            reason = f"'{_join(audio_folder, partner)}' already has the label {label_of[partner]}"
            yield Rejected(_join(label_folder, label), writable_name(reason)[0], kind="label-second")
            continue
        label_of[partner] = _join(label_folder, label)
        path = composed(unpacked(_join(audio_folder, partner)))
        name = path if stems[composed(_stem(partner))] > 1 else _stem(path)
        yield Pair(_join(label_folder, label), _join(audio_folder, partner), name)


def _pairs_elsewhere(
    root: Path, folder: Folder, labels: dict[str, str], parallel: Mapping[str, str]
) -> Iterator[Pair | Rejected]:
    """Pairs labels whose recordings are not beside them with those of a parallel tree; rejects the other labels."""
    unpaired = {name: "" for name, partner in labels.items() if not partner}
    for audio_folder in counterparts(root, folder.relative, parallel):
        names = _listed(root / audio_folder, lambda name: True)
        if audio := recordings(names):
            beside = dict.fromkeys(filter(is_label, names), "")
            for _ in _matched(beside, audio, audio_folder, audio_folder):
                pass  # yielded when the walk reaches that folder
            label_of = {partner: _join(audio_folder, label) for label, partner in beside.items() if partner}
            yield from _matched(unpaired, audio, folder.relative, audio_folder, label_of)
            break
    for name, partner in unpaired.items():
        if not partner:
            yield Rejected(folder.path_of(name), "has no recording of its name", kind="recording-missing")


def _audio_without_label(
    root: Path, folder: Folder, audio: list[str], labels_of: Mapping[str, str]
) -> Iterator[Rejected]:
    for label_folder in counterparts(root, folder.relative, labels_of):
        labels = dict.fromkeys(_listed(root / label_folder, is_label), "")
        if labels:
            for _ in _matched(labels, audio, label_folder, folder.relative):
                pass  # yielded when the walk reaches the labels
            audio = [name for name in audio if name not in labels.values()]
            break
    for name in audio:
        yield Rejected(folder.path_of(name), "has no JSON label of its name", kind="label-missing")


def _left_out_labels(path: Path, name: str, why: str) -> Iterator[Skipped]:
    """Counts the labels in and below a folder that is left out."""
    cause = (
        "left out by split_folders" if why == "unwanted" else f"passed over, {composed(name)}_split is there"
    )
    for folder in walk_folders(path, archives=True):
        labels = [label for label in folder.names if is_label(label)]
        if labels:
            yield Skipped(
                f"label in {composed(name)} {cause}",
                len(labels),
                writable_name(labels[0])[0],
                kind=f"split-{why}:{composed(name)}",
            )


def _listed(path: Path, condition: Callable[[str], bool]) -> list[str]:
    try:
        inside = listing(path)
    except OSError:
        return []
    return [name for name in sorted((*inside.folders, *inside.files)) if condition(name)]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
