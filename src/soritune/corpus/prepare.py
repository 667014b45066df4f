"""From a corpus folder to a manifest: the source tells what is there, the audio headers tell lengths and
rates."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soritune.audio.waveform import MISSING_TAIL_S, read_header
from soritune.corpus.checks import Quarantined, in_order, write_quarantine
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.sources.source import Found, Rejected, Skipped, Source, SourceConfig
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError, OutputError
from soritune.registry import load_member


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made."""

    manifest: Manifest
    quarantined: list[Quarantined]
    skipped: dict[str, int]
    """Reason → how many things in the corpus the settings do not want."""


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
            known = (
                f"; known: {', '.join(source.Config.model_fields)}"
                if fault["type"] == "extra_forbidden"
                else ""
            )
            faults.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}{known}")
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

    Lengths come from the audio headers; what a corpus says about the length of a whole file is not used. Two
    utterances of one id end the work.

    Args:
        source_name: A member of `corpus/sources`.
        root: The corpus.
        settings: The source's settings.
        out_dir: Where the two files go; made if need be.
        workers: Threads that read headers; None takes 4 per core.
        progress: Told the number of utterances looked at so far.

    Raises:
        ManifestError: the corpus cannot be read, ids repeat, or nothing in it can be used.
        OutputError: `out_dir` cannot be written to.
    """
    source, place, out = load_source(source_name), Path(root), Path(out_dir)
    config = source_config(source_name, settings)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror or error})") from error
    base = source.base(place, config)
    quarantined: list[Quarantined] = []
    skipped: Counter[str] = Counter()

    def utterances() -> Iterator[Utterance]:
        threads = workers or 4 * (os.cpu_count() or 1)
        lines_of_ids: set[str] = set()
        seen = kept = 0
        with ThreadPoolExecutor(threads) as pool:
            for found, result in in_order(
                pool, lambda item: _measured(item, base), source.read(place, config), 64 * threads
            ):
                if isinstance(found, Skipped):
                    skipped[found.reason] += found.count
                    continue
                seen += 1
                if isinstance(result, Quarantined):
                    quarantined.append(result)
                elif isinstance(result, Utterance):
                    _refuse_repeat(result.id, lines_of_ids)
                    kept += 1
                    yield result
                if progress is not None:
                    progress(seen)
        if kept == 0:
            _nothing_left(place, quarantined, skipped)

    try:
        manifest = write_manifest(out / "manifest.parquet", utterances(), root=base)
    finally:
        if quarantined:
            write_quarantine(out / "quarantine.jsonl", quarantined)
    if not quarantined:
        write_quarantine(out / "quarantine.jsonl", [])
    return Prepared(manifest, quarantined, dict(skipped))


def _measured(found: Found, base: Path) -> Utterance | Quarantined | None:
    """The utterance with length and rate as its file's header has them, or why it cannot be used."""
    if isinstance(found, Skipped):
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
        return Quarantined(found.id, found.audio, error.reason, "prepare")
    return replace(found, duration_s=min(length, left), sample_rate_hz=header.sample_rate_hz)


def _refuse_repeat(name: str, seen: set[str]) -> None:
    if name in seen:
        raise ManifestError(
            f"id '{name}' occurs twice; ids must be unique "
            "(several manifests: --prefix puts their folder before each id)",
            field="id",
        )
    seen.add(name)


def _nothing_left(root: Path, quarantined: list[Quarantined], skipped: Counter[str]) -> None:
    reasons = [f"{row.audio or row.id}: {row.reason}" for row in quarantined[:1]]
    reasons += [f"{count} skipped: {reason}" for reason, count in skipped.most_common(1)]
    told = "; ".join([f"{len(quarantined)} rejected", *reasons])
    raise ManifestError(f"nothing in it can be used ({told})", path=root)
