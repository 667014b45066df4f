"""Which source reads a corpus where `data.source` is `auto`, and the columns and the folder that it finds.

A choice is made from what is there: the suffix of a file, or the files of a folder that only one layout has. Names of
columns and the folder of the recordings are found as `sources preview` suggests them. Every finding is reported, so
that it can be given as a setting. Next: `corpus/preview.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.corpus.file_names import MANIFEST_FILE
from soritune.corpus.preview import Preview, preview
from soritune.corpus.reading.folder_walk import is_audio
from soritune.errors import ManifestError, SorituneError

AUTO = "auto"
USED = ("audio", "text", "speaker", "start_s", "end_s", "script_id")
"""Fields whose columns are found by their names; those of labels come from the tasks. Others are kept in `extra`."""
_LOOKED_AT = 200
_WORKBOOKS = (".xlsx", ".xls", ".ods", ".numbers")


@dataclass(frozen=True, slots=True)
class Choice:
    """How a corpus is read."""

    source: str
    config: dict[str, Any]
    """The given settings and those that were found."""
    text: str
    """What was found, for people."""


def choose(root: Path, config: Mapping[str, Any], labels: Collection[str] = ()) -> Choice:
    """The source of a corpus, with the settings that its files suggest.

    Args:
        root: a file or a folder.
        config: settings that are given; they are kept.
        labels: fields with the labels of the tasks.

    Raises:
        ManifestError: no layout fits, or several do; the message names them and the next command.
    """
    source = source_of(root)
    chosen, found = dict(config), []
    for _ in range(2):  # columns first; the recordings can be looked for when their column is known
        try:
            seen = preview(source, root, chosen, scan=_LOOKED_AT)
        except SorituneError:
            break  # a setting that is given is wrong; it is reported when the corpus is read
        given = chosen.get("fields", {})
        fields = {
            name: column
            for name, column in seen.suggestions.items()
            if name in {*USED, *labels} and name not in given
        }
        if fields:
            chosen["fields"] = {**given, **fields}
            found += [f"{name} is read from '{column}'" for name, column in fields.items()]
        if seen.suggested_root is not None:
            chosen["audio_root"] = seen.suggested_root
            found.append(f"the recordings are in {seen.suggested_root}")
        if not fields and seen.suggested_root is None:
            break
    return Choice(source, chosen, "; ".join([f"data: read as {source}", *found]))


def source_of(root: Path) -> str:
    """Name of the source whose layout a file or folder has.

    Raises:
        ManifestError: none, or several.
    """
    if root.is_file():
        return _source_of_file(root)
    if not root.is_dir():
        raise ManifestError("there is no such file or folder", path=root)
    layouts = list(_layouts(root))
    if len(layouts) == 1:
        return layouts[0]
    if not layouts:
        holds = (
            "holds recordings, and no table or list with their speakers and texts"
            if any(is_audio(path.name) for path in _first_files(root))
            else "holds no recordings and no list of any"
        )
        raise ManifestError(
            f"{holds}; give the list itself as data=FILE, or name the layout with data.source=NAME (`soritune sources` "
            "lists them)",
            path=root,
        )
    raise ManifestError(
        f"can be read in several ways; choose one with {' or '.join(f'data.source={name}' for name in layouts)}",
        path=root,
    )


def _source_of_file(file: Path) -> str:
    name = file.name.lower()
    if name.endswith((".csv", ".tsv")):
        return "csv"
    if name.endswith(".jsonl.gz"):
        return "lhotse"
    if name.endswith(_WORKBOOKS):
        raise ManifestError("is a workbook; save the sheet as CSV and give that file", path=file)
    return (
        "nemo"
        if name.endswith((".jsonl", ".json")) and "audio_filepath" in first_object(file)
        else "manifest"
    )


def _layouts(root: Path) -> Iterator[str]:
    """The layouts that a folder may have."""
    if (root / MANIFEST_FILE).is_file() or (root / "manifest.jsonl").is_file():
        yield "manifest"
        return  # what `prepare` and others wrote beside the corpus's own files
    if (root / "wav.scp").is_file():
        yield "kaldi"
    if any((root / name).is_file() for name in ("dataset_dict.json", "dataset_info.json", "state.json")):
        yield "hf-datasets"
    if any(path.suffix.lower() in (".csv", ".tsv") and path.name[0] != "." for path in root.iterdir()):
        yield "csv"
    files = list(_first_files(root))
    labels = {path.with_suffix("") for path in files if path.suffix.lower() == ".json"}
    if any(path.with_suffix("") in labels for path in files if is_audio(path.name)):
        yield "json-pairs"


def _first_files(root: Path) -> Iterator[Path]:
    """Some files of a folder and its subfolders, those of one folder together."""
    pending, looked_at = [root], 0
    while pending and looked_at < 20 * _LOOKED_AT:
        entries = sorted(pending.pop(0).iterdir())
        looked_at += len(entries)
        yield from (path for path in entries if path.is_file())
        pending += [path for path in entries if path.is_dir() and path.name[0] != "."]


def first_object(file: Path) -> dict[str, Any]:
    """The first line of a JSONL file; empty if it is not a JSON object."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            value = json.loads(next((line for line in stream if line.strip()), "null"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def run_command(source: str, root: Path, config: Mapping[str, Any], seen: Preview) -> str:
    """The `soritune run` that reads a corpus as a preview did, with what the preview suggests.

    Args:
        source: that was previewed.
        root: of the corpus.
        config: settings of the preview.
        seen: its result.
    """
    from shlex import quote

    fields = {**config.get("fields", {}), **seen.suggestions}
    settings = {
        key: value for key, value in config.items() if key != "fields" and value not in (None, {}, ())
    }
    if seen.suggested_root is not None:
        settings["audio_root"] = seen.suggested_root
    has_text = "text" in seen.values or "text" in fields
    words = [
        "soritune run",
        "quickstart" if has_text else "RECIPE",
        quote(f"data={root}"),
        f"data.source={source}",
    ]
    words += [f"--field {quote(f'{name}={column}')}" for name, column in fields.items()]
    if seen.speaker_columns is not None:
        words.append("--field speaker=COLUMN")  # nothing is split by speaker without it
    words += [quote(f"data.config.{key}={_yaml(value)}") for key, value in settings.items()]
    return " ".join(words)


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=list)
