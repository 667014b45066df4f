"""Which JSON label belongs to which recording: the one of the same name, beside it or in a parallel tree."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from soritune.corpus.reading.folder_walk import (
    Folder,
    is_audio,
    walk_folders,
    writable_name,
)
from soritune.corpus.reading.items import Rejected, Skipped
from soritune.corpus.reading.split_names import SplitFolders
from soritune.korean.hangul import composed

LABEL_FOLDERS = {"라벨링데이터": "원천데이터", "TL": "TS", "VL": "VS", "[라벨]": "[원천]", "labels": "audio"}
"""Names (or beginnings of names) of folders of labels → those of the folders of their recordings."""
_NUMBER = re.compile(r"\d+\.\s*(?=\D)")
"""Before a folder's name: 02.라벨링데이터 belongs to 01.원천데이터."""
_HEADERLESS = (".pcm", ".raw")


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
    _folders_of.cache_clear()
    for folder in walk_folders(root):
        yield from folder.told
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


def counterpart(root: Path, place: str, names: Mapping[str, str]) -> Iterator[str]:
    """The folders that may be the other half of a parallel tree, likeliest first; nothing where no folder of
    `place` has a known name.

    A name fits a folder that is called so, or begins so and goes on with a sign or a digit (TL1, TL_seoul);
    a number before it does not matter. However a folder's Hangul is spelt on disk, it is found.
    """
    parts = place.split("/")
    for other in dict.fromkeys(
        tuple(_renamed(part, names, exact=exact) for part in parts) for exact in (False, True)
    ):
        if any(new != composed(old) for new, old in zip(other, parts, strict=True)):
            yield from _spelt_on_disk(root, [(old, new) for old, new in zip(parts, other, strict=True)])


def _renamed(part: str, names: Mapping[str, str], *, exact: bool) -> str:
    own = composed(part)
    bare = _without_number(own)
    for name, other in names.items():
        if name in (own, bare):
            return other
        follows = bare[len(name) : len(name) + 1]
        if not exact and bare.startswith(name) and not (name[-1].isalpha() and follows.isalpha()):
            return other + bare[len(name) :]
    return own


def _without_number(name: str) -> str:
    return name[match.end() :] if (match := _NUMBER.match(name)) else name


def _spelt_on_disk(root: Path, parts: list[tuple[str, str]], place: str = "") -> Iterator[str]:
    """The paths below the root that `parts` lead to: (name in this tree, composed name in the other) each."""
    if not parts:
        yield place
        return
    (old, new), *rest = parts
    same = new == composed(old)
    if same and os.path.isdir(root / place / old):
        found: Iterable[str] = (old,)
    else:
        found = _folders_of(root / place)[0 if same else 1].get(new, ())
    for name in found:
        yield from _spelt_on_disk(root, rest, _join(place, name))


@lru_cache(maxsize=32)
def _folders_of(path: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Composed name → names on disk; the same with numbers before the names taken off."""
    own: dict[str, list[str]] = {}
    bare: dict[str, list[str]] = {}
    for name in _listed(path, lambda name: os.path.isdir(path / name)):
        plain = composed(name)
        own.setdefault(plain, []).append(name)
        for key in {plain, _without_number(plain)}:
            bare.setdefault(key, []).append(name)
    return own, bare


def _matched(
    labels: dict[str, str],
    audio: list[str],
    label_place: str,
    audio_place: str,
    owners: Mapping[str, str] | None = None,
) -> Iterator[Pair | Rejected]:
    """Pairs labels with recordings, both names of one folder each; fills in each label's partner.

    `owners` are recordings that have a label already → its path.
    """
    stems = Counter(composed(_stem(name)) for name in audio)
    by_name: dict[str, str] = {}
    for name in audio:
        by_name.setdefault(composed(_stem(name)), name)
    for name in audio:
        by_name.setdefault(composed(name), name)
    for key, name in list(by_name.items()):
        by_name.setdefault(key.casefold(), name)
    owners = dict(owners or {})
    for label in labels:
        key = composed(_stem(label))
        partner = by_name.get(key) or by_name.get(key.casefold())
        if partner is None:
            continue
        labels[label] = partner
        if partner in owners:
            told = f"'{_join(audio_place, partner)}' already has the label {owners[partner]}"
            yield Rejected(_join(label_place, label), writable_name(told)[0])
            continue
        owners[partner] = _join(label_place, label)
        path = composed(_join(audio_place, partner))
        name = path if stems[composed(_stem(partner))] > 1 else _stem(path)
        yield Pair(_join(label_place, label), _join(audio_place, partner), name)


def _lonely_labels(
    root: Path, folder: Folder, labels: dict[str, str], parallel: Mapping[str, str]
) -> Iterator[Pair | Rejected]:
    lonely = {name: "" for name, partner in labels.items() if not partner}
    headerless = [folder.place(name) for name in folder.names if name.lower().endswith(_HEADERLESS)]
    for place in counterpart(root, folder.relative, parallel):
        names = _listed(root / place, lambda name: True)
        headerless += [_join(place, name) for name in names if name.lower().endswith(_HEADERLESS)]
        if audio := [name for name in names if is_audio(name)]:
            beside = dict.fromkeys(filter(is_label, names), "")
            for _ in _matched(beside, audio, place, place):
                pass  # told when the walk comes to that folder
            owners = {partner: _join(place, label) for label, partner in beside.items() if partner}
            yield from _matched(lonely, audio, folder.relative, place, owners)
            break
    raw = {composed(_stem(place.rsplit("/", 1)[-1])): place for place in headerless}
    for name, partner in lonely.items():
        if not partner:
            other = writable_name(raw.get(composed(_stem(name)), ""))[0]
            advice = f"; '{other}' is sound without a header, which is not read: make it WAV" if other else ""
            yield Rejected(folder.place(name), f"has no recording of its name{advice}")


def _lonely_audio(
    root: Path, folder: Folder, audio: list[str], back: Mapping[str, str]
) -> Iterator[Rejected]:
    for place in counterpart(root, folder.relative, back):
        labels = dict.fromkeys(_listed(root / place, is_label), "")
        if labels:
            for _ in _matched(labels, audio, place, folder.relative):
                pass  # told when the walk comes to the labels
            audio = [name for name in audio if name not in labels.values()]
            break
    for name in audio:
        yield Rejected(folder.place(name), "has no JSON label of its name")


def _counted(path: Path, name: str, why: str) -> Iterator[Skipped]:
    """What is below a folder that is left out."""
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
