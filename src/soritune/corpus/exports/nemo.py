"""Manifests of NVIDIA NeMo: JSON lines with `audio_filepath`, `duration`, `text`, and `offset` for stretches.

Fields that NeMo does not know keep their own names, and what is in `extra` becomes keys of the row. NeMo ignores keys
that it does not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from soritune.corpus.exports.export import Export, Parts, part_name, rows_with_paths, with_values
from soritune.corpus.manifest import Manifest
from soritune.corpus.reading.json_text import write_json_lines
from soritune.corpus.utterance import FIELDS

_RENAMED = {"duration_s": "duration", "start_s": "offset", "language": "lang"}
_OWN = tuple(name for name in FIELDS if name not in ("audio", "text", "extra"))


def write(parts: Parts, folder: Path) -> list[str]:
    """Writes manifest.jsonl, or manifest_train.jsonl … for splits."""
    for split, manifest in parts.items():
        write_json_lines(folder / part_name("manifest", split, ".jsonl"), _rows(manifest))
    return []


def _rows(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for row, path in rows_with_paths(manifest):
        known = {_RENAMED.get(name, name): value for name, value in with_values(row, _OWN).items()}
        # NeMo expects the key text in every row.
        written = {"audio_filepath": path, "text": row.text or "", **known}
        yield {**{name: value for name, value in row.extra.items() if name not in written}, **written}


EXPORT = Export(write, "NeMo: manifest.jsonl, one JSON object per line")
