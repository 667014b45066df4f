"""Lists of recordings without lengths, such as tables and hand-written JSONL, as manifests in memory.

A manifest that `prepare` wrote has lengths, and is opened as it is. Other lists are read by the source that fits them
(`corpus/source_choice.py`), and the headers of the recordings give the lengths.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from soritune.corpus.audio_root import within_root
from soritune.corpus.headers import with_header
from soritune.corpus.manifest import Manifest, load_manifest, manifest_in_memory
from soritune.corpus.prepare import load_source, source_config
from soritune.corpus.reading.outcomes import Rejected
from soritune.corpus.source_choice import choose, first_object
from soritune.corpus.transcripts import read_outcomes
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError

logger = logging.getLogger(__name__)
_TABLES = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class TableColumns:
    """How the columns of a table are read."""

    file: str
    fields: Mapping[str, str]
    """Column → utterance field."""
    others: tuple[str, ...]
    """The columns that no field uses; they are kept in `extra`."""


def load_rows(
    path: Path | str,
    *,
    root: Path | str | None = None,
    fields: Mapping[str, str] | None = None,
    report: Callable[[TableColumns], None] | None = None,
) -> Manifest:
    """The rows of a manifest, or of a list without lengths.

    Args:
        path: a manifest, a JSONL list with at least `id` and `audio`, or a table with one row per recording.
        root: where relative audio paths start, instead of what the list states.
        fields: utterance field → the name of its column, where it has no usual one.
        report: is called with the columns of a table.

    Raises:
        ManifestError: the list cannot be read, or no row of it. Other rows that cannot be read are a warning; a
            recording that cannot be read has length 0.
    """
    file = Path(path)
    is_table = file.suffix.lower() in _TABLES
    if not is_table and (
        file.suffix.lower() != ".jsonl" or "duration_s" in (first_object(file) or {"duration_s": 0})
    ):
        return load_manifest(file, root=root, fields=fields)
    given: dict[str, Any] = {"fields": dict(fields)} if fields else {}
    if root is not None and is_table:
        given["audio_root"] = str(Path(root).absolute())
    choice = choose(file, given)
    source, config = load_source(choice.source), source_config(choice.source, choice.config)
    if report is not None and is_table and source.survey is not None:
        used = source.survey(file, config, 1).used
        report(
            TableColumns(
                file.name,
                {column: field for column, field in used.items() if field != "extra"},
                tuple(column for column, field in used.items() if field == "extra"),
            )
        )
    utterances, rejected = list[Utterance](), list[Rejected]()
    base = source.base(file, config) if root is None or is_table else Path(root)
    for outcome in read_outcomes(source, file, config):
        if isinstance(outcome, Utterance):
            utterances.append(within_root(outcome, base, file, outside_root=config.outside_root))
        elif isinstance(outcome, Rejected):
            rejected.append(outcome)
    if not utterances:
        reason = f"; the first: {rejected[0].reason}" if rejected else ""
        raise ManifestError(f"has no row that can be read{reason}", path=file)
    repeated = next((name for name, n in Counter(row.id for row in utterances).items() if n > 1), None)
    if repeated is not None:
        raise ManifestError(f"the id '{repeated}' is in several rows; give each its own", path=file)
    if rejected:
        logger.warning(
            "%s: %d of %d rows cannot be read and are left out; the first: %s",
            file,
            len(rejected),
            len(rejected) + len(utterances),
            rejected[0].reason,
        )
    with ThreadPoolExecutor() as pool:
        measured = list(pool.map(partial(_measured, base=base, pcm=config.pcm), utterances))
    return manifest_in_memory(measured, file, base)


def _measured(utterance: Utterance, base: Path, pcm: str | None) -> Utterance:
    """The utterance with its length; 0 if the recording cannot be read, which prediction reports as its error."""
    try:
        return with_header(utterance, base, pcm)
    except AudioError:
        return replace(utterance, duration_s=0.0)
