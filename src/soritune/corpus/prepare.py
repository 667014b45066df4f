"""From a corpus folder to a manifest: the source tells what is there, the audio headers tell lengths and
rates."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soritune.audio.waveform import MISSING_TAIL_S, read_header
from soritune.corpus.checks import Quarantined, write_quarantine
from soritune.corpus.manifest import MANIFEST_FILE, QUARANTINE_FILE, Manifest, write_manifest
from soritune.corpus.reading.folder_walk import writable_name
from soritune.corpus.reading.in_order import in_order
from soritune.corpus.reading.items import (
    Item,
    Note,
    Rejected,
    Skipped,
    shortened,
)
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.reasons import commonest
from soritune.corpus.sources.source import Source
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError, OutputError, SorituneError
from soritune.korean.hangul import composed
from soritune.registry import load_member
from soritune.settings import keys_at


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made."""

    manifest: Manifest
    quarantined: list[Quarantined]
    skipped: dict[str, int]
    """Reason → how many things in the corpus the settings do not want."""
    notes: dict[str, int] = field(default_factory=dict)
    """What is worth knowing about the utterances → how many of them, or of things beside them."""


def load_source(name: str) -> Source:
    """The source called `name`.

    Raises:
        UnknownNameError: there is none; the message names the known ones.
    """
    source: Source = load_member("soritune.corpus.sources", "SOURCE", name, "source")
    return source


def source_config(name: str, settings: dict[str, Any] | SourceConfig) -> SourceConfig:
    """The settings of a source, checked.

    Raises:
        UnknownNameError: no such source.
        ManifestError: a setting is unknown or has a bad value.
    """
    source = load_source(name)
    if isinstance(settings, SourceConfig):
        return settings
    try:
        return source.Config.model_validate(settings)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"]) or name
            known = keys_at(source.Config, fault["loc"][:-1]) if fault["type"] == "extra_forbidden" else []
            tail = f"; known: {', '.join(known)}" if known else ""
            faults.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}{tail}")
        raise ManifestError(f"source '{name}': {'; '.join(faults)}") from error


def prepare(
    source_name: str,
    root: str | Path,
    settings: dict[str, Any] | SourceConfig,
    out_dir: str | Path,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Prepared:
    """Streams a source into `out_dir`/manifest.parquet and `out_dir`/quarantine.jsonl.

    Lengths come from the audio headers; what a corpus says about the length of a whole file is not used. What
    was rejected is written even when the corpus cannot be read to its end; an earlier manifest.parquet is then
    taken away, for it is not this corpus's.

    Args:
        source_name: A member of `corpus/sources`.
        root: The corpus.
        settings: The source's settings.
        out_dir: Where the two files go; made if need be.
        workers: Threads that read headers; None takes 4 per core.
        progress: Told the number of utterances looked at so far.

    Raises:
        ManifestError: the corpus cannot be read, ids of several manifests repeat, or nothing in it can be used.
        OutputError: `out_dir` cannot be written to.
    """
    source, place, out = load_source(source_name), Path(root), Path(out_dir)
    config = source_config(source_name, settings)
    for folder in (place, out):
        refuse_unwritable(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror or error})") from error
    reading = _Reading(place, config, progress)
    file = out / MANIFEST_FILE
    try:
        base = source.base(place, config)
        items = reading.to_the_end(source.read(place, config))
        manifest = write_manifest(file, reading.utterances(items, base, workers), root=base)
    except BaseException:
        if not _reads(place, config, file):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        raise
    finally:
        write_quarantine(out / QUARANTINE_FILE, reading.quarantined)
    return Prepared(manifest, reading.quarantined, dict(reading.skipped), dict(reading.notes))


def refuse_unwritable(folder: Path) -> None:
    """Refuses a folder whose path no file can name.

    Raises:
        ManifestError: the path is not UTF-8.
    """
    shown, fault = writable_name(os.path.abspath(folder))
    if fault is not None:
        raise ManifestError(fault, path=shown)


@dataclass
class _Reading:
    """One pass over a corpus, and what was met on it."""

    place: Path
    config: SourceConfig
    progress: Callable[[int], None] | None
    quarantined: list[Quarantined] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    fault: SorituneError | None = None
    """Why the source could not go on."""

    def to_the_end(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items of a source; what stops it is kept, so that all before it is still dealt with."""
        try:
            yield from items
        except SorituneError as error:
            self.fault = error

    def utterances(self, items: Iterator[Item], base: Path, workers: int | None) -> Iterator[Utterance]:
        """The measured utterances.

        Raises:
            SorituneError: the source failed, or nothing can be used.
        """
        threads = workers or 4 * (os.cpu_count() or 1)
        audio_of: dict[str, str] = {}
        seen = 0
        with ThreadPoolExecutor(threads) as pool:
            for found, result in in_order(pool, lambda item: _measured(item, base), items, 64 * threads):
                if isinstance(found, (Skipped, Note)):
                    (self.skipped if isinstance(found, Skipped) else self.notes)[found.reason] += found.count
                    continue
                seen += 1
                if isinstance(result, Utterance) and result.id in audio_of:
                    result = self._repeated(result, audio_of[result.id])
                if isinstance(result, Quarantined):
                    self.quarantined.append(result)
                elif isinstance(result, Utterance):
                    audio_of[result.id] = result.audio
                    yield result
                if self.progress is not None:
                    self.progress(seen)
        if self.fault is not None:
            if not self.quarantined:
                raise self.fault
            raise ManifestError(f"{self.fault} ({commonest(self.quarantined)})") from self.fault
        if not audio_of:
            reasons = [commonest(self.quarantined)] if self.quarantined else ["0 rejected"]
            reasons += [f"{count} skipped: {reason}" for reason, count in self.skipped.most_common(1)]
            raise ManifestError(f"nothing in it can be used ({'; '.join(reasons)})", path=self.place)

    def _repeated(self, item: Utterance, first: str) -> Quarantined:
        if hasattr(self.config, "prefix"):
            raise ManifestError(
                f"id '{item.id}' occurs twice; ids must be unique "
                "(several manifests: --prefix puts their folder before each id)",
                field="id",
            )
        why = f"its id '{item.id}' is already that of {first!r}"
        if first != item.audio and composed(first) == composed(item.audio):
            why += ", whose name differs only in how its Hangul is put together (NFC or NFD)"
        return Quarantined(item.id, item.audio, why, "prepare")


def _reads(place: Path, config: SourceConfig, file: Path) -> bool:
    """Whether a source reads the very file that is to be written."""
    read = [place, place / file.name, *(place / name for name in getattr(config, "files", ()))]
    return any(one.resolve() == file.resolve() for one in read)


def _measured(found: Item, base: Path) -> Utterance | Quarantined | None:
    """The utterance with length and rate as its file's header has them, or why it cannot be used."""
    if isinstance(found, (Skipped, Note)):
        return None
    if isinstance(found, Rejected):
        return Quarantined(found.id, found.audio, found.reason, "prepare")
    try:
        header = read_header(base / found.audio)
        if found.channel is not None and found.channel >= header.num_channels:
            raise AudioError(
                found.audio, f"has {header.num_channels} channels, so channel {found.channel} does not exist"
            )
        left = header.duration_s - (found.start_s or 0.0)
        if left <= 0:
            raise AudioError(
                found.audio, f"lasts {header.duration_s:.3f} s, but the utterance begins at {found.start_s} s"
            )
        length = left if found.start_s is None or found.duration_s == 0 else found.duration_s
        if length > left + MISSING_TAIL_S:
            raise AudioError(found.audio, f"lasts {header.duration_s:.3f} s, but the utterance ends later")
    except AudioError as error:
        return Quarantined(shortened(found.id), shortened(found.audio), shortened(error.reason), "prepare")
    return replace(found, duration_s=min(length, left), sample_rate_hz=header.sample_rate_hz)
