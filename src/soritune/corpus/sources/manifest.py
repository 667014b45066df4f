"""Ready manifests of any origin: one or several JSONL or Parquet files, whose fields may have other names.

Several files become one corpus whose root is the folder above them all. A row that cannot be read goes to
quarantine. A file that cannot be read, or a missing column, is an error.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from soritune.audio.remote import is_url
from soritune.corpus.file_names import MANIFEST_FILE
from soritune.corpus.manifest import manifest_root
from soritune.corpus.manifest_rows import read_rows
from soritune.corpus.reading.field_mapping import FieldMapping, FieldValueError
from soritune.corpus.reading.given_files import named_paths
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.sources.source import Source
from soritune.errors import ManifestError

_NEEDED = ("id", "audio")


class ManifestFileConfig(SourceConfig):
    """Which files, and the names of their fields."""

    files: tuple[str, ...] = ()
    """Manifest files, absolute or relative to ROOT; empty: ROOT itself is the file, or the folder of a
    manifest.jsonl or manifest.parquet."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Utterance field (or `end_s`) → the file's name for it, as in {"duration_s": "duration"}. Names that no field
    uses go to `extra`."""
    constants: dict[str, Any] = Field(default_factory=dict)
    """Utterance field → value for rows without one, as in {"language": "ko", "text_source": "gold"}."""
    prefix: bool = False
    """Put the name of each file's folder before its ids, so that ids of several files cannot collide."""


def read_corpus(root: Path, config: ManifestFileConfig) -> Iterator[Outcome]:
    """Yields the rows of all files in order.

    Raises:
        ManifestError: a missing file, a missing column, a file that is not UTF-8 or not JSON.
    """
    base = _base(root, config)
    for file in _files(root, config):
        folder = manifest_root(file).resolve()
        constants = {"source": folder.name, **config.constants}
        mapping = FieldMapping(
            config.fields, constants, f"{folder.name}-" if config.prefix else "", _NEEDED, config._missing
        )
        repeated = Counter[str]()
        for line, row in read_rows(file, mapping, repeated):
            try:
                utterance = mapping.utterance(row)
            except FieldValueError as error:
                name, audio = (str(row.get(mapping.source_of(key)) or "") for key in ("id", "audio"))
                name = mapping.prefix + name if name else ""
                yield Rejected(audio, f"{file.name} line {line}: {error}", name, kind=error.kind)
                continue
            if base != folder and not os.path.isabs(utterance.audio) and not is_url(utterance.audio):
                utterance = replace(utterance, audio=os.path.relpath(folder / utterance.audio, base))
            yield utterance
        for key, count in sorted(repeated.items()):
            reason = f"key '{key}' twice in one row (the last value counts)"
            yield Note(reason, count, file.name, kind=f"key-repeated:{key}")


def _files(root: Path, config: ManifestFileConfig) -> list[Path]:
    if config.files or not root.is_dir():
        return named_paths(root, config.files)
    for name in (MANIFEST_FILE, "manifest.jsonl"):
        if (root / name).is_file():
            return [root / name]
    raise ManifestError("holds no manifest.parquet or manifest.jsonl; name the file itself", path=root)


def _base(root: Path, config: ManifestFileConfig) -> Path:
    folders = [manifest_root(file).resolve() for file in _files(root, config)]
    return Path(os.path.commonpath(folders))


SOURCE = Source(
    ManifestFileConfig, read_corpus, "one or several JSONL or Parquet manifests, with field mapping", _base
)
