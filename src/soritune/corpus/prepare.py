"""From a corpus folder to a manifest: a source finds the utterances, audio headers give lengths and rates.

Next: `corpus/checks.py`, which checks the manifest.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soritune.audio.files import as_on_disk
from soritune.corpus.checks import Quarantined, write_quarantine
from soritune.corpus.file_names import MANIFEST_FILE, PREPARE_PARTS_FOLDER, QUARANTINE_FILE
from soritune.corpus.headers import HeaderReader, Measured, default_threads
from soritune.corpus.idle_settings import KIND
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.reading.folder_walk import writable_name
from soritune.corpus.reading.outcomes import Note, Outcome, Skipped
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.reasons import Tally, add_to, commonest
from soritune.corpus.sources.source import Source
from soritune.corpus.stated_lengths import DIFFERS, StatedLengths
from soritune.corpus.transcripts import read_outcomes
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError, OutputError, SorituneError, nearest, reason_of
from soritune.korean.hangul import composed
from soritune.ray_engine import RayEngine
from soritune.registry import load_member
from soritune.settings import keys_at, plain_message

_WARNED = ("value-missing", "age-outside", "key-repeated", "columns-alike", DIFFERS)
"""Kinds of notes that mean that values may have been read wrongly."""


@dataclass(frozen=True)
class Prepared:
    """Result of `prepare`."""

    manifest: Manifest
    quarantined: list[Quarantined]
    skipped: dict[str, int]
    """Reason → how many things in the corpus the settings leave out."""
    notes: dict[str, int] = field(default_factory=dict)
    """Remark on utterances that are kept → how many it concerns."""
    idle_settings: tuple[str, ...] = ()
    """Those of the remarks that are about settings without effect."""
    warnings: tuple[str, ...] = ()
    """Those of the remarks that mean that values may have been read wrongly."""


def load_source(name: str) -> Source:
    """The source called `name`.

    Raises:
        UnknownNameError: there is no such source; the message names the known ones.
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
            setting = ".".join(str(part) for part in fault["loc"]) or name
            known = keys_at(source.Config, fault["loc"][:-1]) if fault["type"] == "extra_forbidden" else []
            known.sort(key=lambda name: name in SourceConfig.model_fields)  # the source's own ones first
            close = nearest(str(fault["loc"][-1]), known) if known else None
            tail = f"; did you mean '{close}'?" if close else f"; known: {', '.join(known)}" if known else ""
            faults.append(f"{setting}: {plain_message(fault)}{tail}")
        raise ManifestError(f"source '{name}': {'; '.join(faults)}") from error


def prepare(
    source_name: str,
    root: str | Path,
    settings: dict[str, Any] | SourceConfig,
    out_dir: str | Path,
    *,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    engine: RayEngine | None = None,
) -> Prepared:
    """Streams a source into `out_dir`/manifest.parquet and `out_dir`/quarantine.jsonl.

    Lengths come from the audio headers; a stated length of a whole file is not used. If the corpus cannot be read to
    its end, the rejections until then are written, and an earlier manifest.parquet is deleted, because it is not that
    of this corpus.

    Args:
        source_name: A member of `corpus/sources`.
        root: The corpus.
        settings: The source's settings.
        out_dir: Folder for the two files; is made if it does not exist.
        workers: Threads that read headers; None takes 4 per core.
        progress: Called with the number of utterances looked at so far.
        engine: Reads the headers on a cluster; None uses `workers` of this machine. Does not change the result.

    Raises:
        ManifestError: the corpus cannot be read, ids of several manifests repeat, or nothing in it can be used.
        OutputError: `out_dir` cannot be written to.
    """
    source, root, out = load_source(source_name), as_on_disk(Path(root)), Path(out_dir)
    config = source_config(source_name, settings)
    for folder in (root, out):
        refuse_unwritable(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({reason_of(error)})") from error
    reading = _Reading(root, config, progress)
    file = out / MANIFEST_FILE
    try:
        base = source.base(root, config)
        outcomes = reading.until_fault(read_outcomes(source, root, config))
        reader = HeaderReader(base, root, config.pcm, config.outside_root)
        parts = out / PREPARE_PARTS_FOLDER
        measured = (
            reader.by_threads(outcomes, workers or default_threads())
            if engine is None
            else reader.by_cluster(outcomes, parts, engine)
        )
        manifest = write_manifest(file, reading.utterances(measured), root=base)
        shutil.rmtree(parts, ignore_errors=True)
    except BaseException:
        if not _reads(root, config, file):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        raise
    finally:
        write_quarantine(out / QUARANTINE_FILE, reading.quarantined)
    idle = tuple(tally.reason for kind, tally in reading.notes.items() if kind.startswith(f"{KIND}:"))
    skipped, notes = _by_reason(reading.skipped), _by_reason(reading.notes)
    warnings = tuple(
        f"{tally.reason} ({tally.count:,})"
        for kind, tally in reading.notes.items()
        if kind.split(":", 1)[0] in _WARNED
    )
    return Prepared(manifest, reading.quarantined, skipped, notes, idle, warnings)


def refuse_unwritable(folder: Path) -> None:
    """Refuses a folder whose path cannot be written into a file.

    Raises:
        ManifestError: the path is not UTF-8.
    """
    shown, fault = writable_name(os.path.abspath(folder))
    if fault is not None:
        raise ManifestError(fault, path=shown)


@dataclass
class _Reading:
    """One pass over a corpus, and its outcomes so far."""

    root: Path
    config: SourceConfig
    progress: Callable[[int], None] | None
    quarantined: list[Quarantined] = field(default_factory=list)
    skipped: dict[str, Tally] = field(default_factory=dict)
    notes: dict[str, Tally] = field(default_factory=dict)
    fault: SorituneError | None = None
    """Why the source stopped."""

    def until_fault(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        """The outcomes of a source. An error that stops it is kept, so that all outcomes before it are handled."""
        try:
            yield from outcomes
        except SorituneError as error:
            self.fault = error

    def utterances(self, measured: Iterable[tuple[Outcome, Measured]]) -> Iterator[Utterance]:
        """The utterances that can be used, of all outcomes with what was measured of them.

        Raises:
            SorituneError: the source failed, or nothing can be used.
        """
        audio_of: dict[str, str] = {}
        seen, headerless, stated = 0, False, StatedLengths()
        for outcome, result in measured:
            if isinstance(outcome, (Skipped, Note)):
                tallies = self.skipped if isinstance(outcome, Skipped) else self.notes
                add_to(tallies, outcome.kind, outcome.reason, outcome.example, outcome.count)
                continue
            seen += 1
            if isinstance(result, Utterance) and result.id in audio_of:
                result = self._repeated(result, audio_of[result.id])
            if isinstance(result, Quarantined):
                self.quarantined.append(result)
            elif isinstance(result, Utterance):
                audio_of[result.id] = result.audio
                headerless = headerless or result.pcm is not None
                if isinstance(outcome, Utterance):
                    stated.add(outcome, result.duration_s)
                yield result
            if self.progress is not None:
                self.progress(seen)
        is_given = self.config.pcm is not None and "pcm" in self.config.model_fields_set
        if is_given and audio_of and not headerless:
            reason = "pcm is used for no recording, because all of them have headers"
            add_to(self.notes, f"{KIND}:pcm", reason, "", len(audio_of))
        for note in stated.notes():
            add_to(self.notes, note.kind, note.reason, note.example, note.count)
        if self.fault is not None:
            if not self.quarantined:
                raise self.fault
            raise ManifestError(f"{self.fault} ({commonest(self.quarantined)})") from self.fault
        if not audio_of:
            reasons = [commonest(self.quarantined)] if self.quarantined else ["0 rejected"]
            if self.skipped:
                most = max(self.skipped.values(), key=lambda tally: tally.count)
                reasons.append(f"{most.count} skipped: {most.reason}")
            raise ManifestError(f"nothing in it can be used ({'; '.join(reasons)})", path=self.root)

    def _repeated(self, utterance: Utterance, first: str) -> Quarantined:
        """Quarantines an utterance whose id is already that of the audio file `first`.

        Raises:
            ManifestError: the corpus consists of several manifests, whose ids a setting can keep apart.
        """
        if hasattr(self.config, "prefix"):
            raise ManifestError(
                f"id '{utterance.id}' occurs twice; ids must be unique "
                "(several manifests: --prefix puts their folder before each id)",
                field="id",
            )
        reason = f"its id '{utterance.id}' is already that of {first!r}"
        if first != utterance.audio and composed(first) == composed(utterance.audio):
            reason += ", whose name differs only in how its Hangul is put together (NFC or NFD)"
        return Quarantined(utterance.id, utterance.audio, reason, "prepare", "id-repeated")


def _by_reason(tallies: dict[str, Tally]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for tally in tallies.values():
        counts[tally.reason] += tally.count
    return dict(counts)


def _reads(root: Path, config: SourceConfig, file: Path) -> bool:
    """Whether a source reads the very file that is to be written."""
    read = [root, root / file.name, *(root / name for name in getattr(config, "files", ()))]
    return any(path.resolve() == file.resolve() for path in read)
