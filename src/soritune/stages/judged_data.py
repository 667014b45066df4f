"""Speech that a model is judged on and that is not its run's own: a corpus, a file, or rows in memory."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from soritune.corpus.checks import Quarantined
from soritune.corpus.manifest import Manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, ManifestError, SorituneError, TaskError
from soritune.inference.predictions import Row
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.task import Task

logger = logging.getLogger(__name__)
SOURCES = {".jsonl": "manifest", ".parquet": "manifest", ".csv": "csv", ".tsv": "csv"}
"""Suffixes of files to the source that reads them."""


def refuse_stray_options(
    data: object,
    audio_paths: object,
    *,
    lists: Mapping[str, object],
    reading: Mapping[str, object],
    files: Mapping[str, object],
    of_manifests: Mapping[str, object],
) -> None:
    """Refuses options that would change nothing, before other rows than the intended ones are judged.

    Args:
        data: what is judged, or None.
        audio_paths: as for `make_manifest`, or None.
        lists: name to value of the options that go with `audio_paths`; None where an option was not given.
        reading: the same for those that state how `data` is read; empty values count as not given.
        files: the same for a manifest and its splits, which exclude `data`.
        of_manifests: the same for options that choose rows of a manifest or of the run, and act on nothing else.

    Raises:
        ManifestError: two data sets, or an option without what it goes with.
    """
    if audio_paths is not None and data is not None:
        raise ManifestError("data and audio_paths are two data sets; give one of them")
    if (audio_paths is not None or data is not None) and any(file is not None for file in files.values()):
        raise ManifestError("data and manifest are two data sets; give one of them")
    stray = [name for name, value in of_manifests.items() if value is not None]
    if stray and (audio_paths is not None or data is not None):
        raise ManifestError(
            f"{' and '.join(stray)} would be left unused: all rows of data and of audio_paths are judged, where they "
            "are; leave this out"
        )
    stray = [name for name, value in lists.items() if value is not None]
    if stray and audio_paths is None:
        raise ManifestError(
            f"{' and '.join(stray)} without audio_paths would be left unused; give audio_paths, one path for each"
        )
    stray = [name for name, value in reading.items() if value]
    if not stray:
        return
    if audio_paths is not None or isinstance(data, Manifest):
        given = "a Manifest" if audio_paths is None else "audio_paths"
        raise ManifestError(
            f"{' and '.join(stray)} would be left unused: they describe how a corpus is read, and {given} needs no "
            "reading; leave them out"
        )
    if data is None:
        raise ManifestError(
            f"{' and '.join(stray)} without data would be left unused; give data, the corpus folder or file to read"
        )


def prepared_rows(
    data: Path | str,
    output: Path,
    card: Mapping[str, Any],
    *,
    source: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[Manifest, list[Quarantined]]:
    """A corpus folder or file as rows, and those that cannot be used; writes manifest.parquet and quarantine.jsonl into
    `output`.

    Args:
        data: the corpus.
        output: where the two files go.
        card: of the model; it records how the training corpus was read.
        source: a reader of corpora; None takes that of the file's suffix, or else the card's.
        settings: of the source; without `source` they are added to the card's.

    Raises:
        BundleError: the card does not record how a corpus is read, and `source` is not given.
        ManifestError: no such corpus, or nothing in it can be used.
    """
    given = source is not None or bool(settings)
    stored = (card.get("recipe") or {}).get("data") or {}
    named = source or (SOURCES.get(Path(data).suffix.lower()) if Path(data).is_file() else None)
    if source is None and named in (None, stored.get("source")):
        if not stored.get("source"):
            raise BundleError(
                f"the model's card does not record how a corpus is read; name a source for {data}, such as "
                "--source speaker-folders (in Python: source='speaker-folders')"
            )
        named, settings = stored["source"], {**(stored.get("config") or {}), **(settings or {})}
    assert named is not None
    if named != "synthetic" and not Path(data).exists():  # that source makes its corpus
        raise ManifestError("does not exist", path=data)
    made = prepare(named, data, dict(settings or {}), output)
    for reason in (*made.warnings, *(made.idle_settings if given else ())):
        logger.warning("%s: %s", data, reason)
    return made.manifest, made.quarantined


def unusable_rows(quarantined: Iterable[Quarantined]) -> list[Row]:
    """Utterances that cannot be used, as rows of a predictions file."""
    return [{"id": row.id or row.audio, "audio": row.audio, "error": row.reason} for row in quarantined]


def refuse_unlabelled(tasks: Iterable[Task], rows: Manifest) -> None:
    """Refuses rows without references, before any prediction.

    Raises:
        ManifestError: no row has a reference of any of the tasks.
    """
    tasks = list(tasks)
    if not any(_is_labelled(task, utterance) for utterance in rows for task in tasks):
        names = " and ".join(f"'{task.name}'" for task in tasks)
        absences = (task.missing_label_reason(utterance) for utterance in rows for task in tasks)
        first = next((f"; the first: {absence}" for absence in absences if absence), "")
        fields = ", ".join(dict.fromkeys(field for task in tasks for field in task.needed_fields))
        raise ManifestError(
            f"labels are missing: none of {len(rows)} rows has what the model's {names} is judged by"
            f"{f' ({fields})' if fields else ''}{first}; give labels with the paths, or data that has them"
        )


def _is_labelled(task: Task, utterance: Utterance) -> bool:
    try:
        return task.reference(utterance) is not None
    except SorituneError:  # a faulty label is a label; the fault is reported later
        return True


def refuse_unknown_labels(tasks: Iterable[Task], rows: Manifest) -> None:
    """Refuses rows with classes that a model does not have, before any prediction.

    Raises:
        TaskError: the message has every such label with its number of rows.
    """
    for task in tasks:
        specs = task.outputs
        if not all(objective_of(spec).is_choice(spec) for spec in specs):
            continue
        unknown: Counter[str] = Counter()
        for utterance in rows:
            try:
                task.targets(utterance)
            except TaskError:
                unknown[str((task.reference(utterance) or {}).get("label"))] += 1
        if unknown:
            shown = ", ".join(f"{label} ({count})" for label, count in unknown.most_common(12))
            raise TaskError(
                f"{sum(unknown.values())} of {len(rows)} rows have labels that the model's task '{task.name}' does not "
                f"know: {shown}; it knows {', '.join(specs[0].labels)}; rename these labels, or leave the rows out"
            )
