"""A manifest from lists of paths and labels in Python, without a file in between."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from soritune.audio.remote import url_of
from soritune.audio.waveform import read_header
from soritune.corpus.manifest import SCHEMA, Manifest
from soritune.corpus.reading.field_mapping import FieldMapping, FieldValueError
from soritune.corpus.reading.json_text import write_json_lines
from soritune.corpus.reading.missing_values import MissingValues
from soritune.corpus.utterance import FIELDS, Utterance
from soritune.errors import AudioError, ManifestError

logger = logging.getLogger(__name__)
Values = Iterable[Any]


def make_manifest(
    audio_paths: Iterable[str | Path],
    labels: Values | None = None,
    *,
    label_field: str | None = None,
    speakers: Values | None = None,
    texts: Values | None = None,
    **fields: Values,
) -> Manifest:
    """A data set from lists (or other iterables), one entry per recording: to train on
    (`run(recipe, output, data=…)`), to predict, and to evaluate a model (`evaluate(model, data=…)`).

    Without speakers, scores have no reliable intervals, and training needs a random split
    (`recipe.split.by = ("random",)`), since speakers cannot be kept apart.

    Args:
        audio_paths: the files; relative paths start from the present folder. An id is the path as it is given.
        labels: the values of `label_field`; None for an unknown label.
        label_field: the utterance field of `labels`, such as "emotion"; required with labels.
        speakers: the speaker of each recording.
        texts: the text of each recording.
        fields: other fields of an utterance, such as `gender=[…]`, `age=[…]` or `script_id=[…]`.

    Returns:
        The manifest, in memory. A file that cannot be read is kept with length 0; training leaves it out, and
        prediction reports an error for it.

    Raises:
        ManifestError: labels without a field, lists of different lengths, no path, a path given twice, an unknown
            field, or a value that does not fit its field.
    """
    entries = _listed("audio_paths", audio_paths, "paths")
    given = {**_labelled(labels, label_field, fields), "speaker": speakers, "text": texts, **fields}
    names = {"speaker": "speakers", "text": "texts", **({label_field: "labels"} if label_field else {})}
    columns = {
        field: [_stripped(value) for value in _listed(names.get(field, field), values, "values")]
        for field, values in given.items()
        if values is not None
    }
    for field, values in columns.items():
        if len(values) != len(entries):
            raise ManifestError(
                f"{len(entries)} audio_paths but {len(values)} {names.get(field, field)}; give one for each path, "
                "None where it is not known"
            )
    wrong = next((n for n, path in enumerate(entries) if not isinstance(path, str | os.PathLike)), None)
    if wrong is not None:
        raise ManifestError(f"audio_paths has {entries[wrong]!r} at {wrong}; every entry must be a path")
    paths = [Path(path) for path in entries]
    if not paths:
        raise ManifestError("audio_paths is empty; give at least one path")
    _refuse_repeats(paths)
    FieldMapping(constants=dict.fromkeys(columns, ""))  # refuses unknown fields, with the nearest known one
    root = _common_folder(paths)
    with ThreadPoolExecutor() as pool:
        lengths = list(pool.map(_measure, paths))
    rows, missing = [], MissingValues()
    mapping = FieldMapping(required=("id", "audio"), missing=missing)
    for number, (path, (seconds, rate)) in enumerate(zip(paths, lengths, strict=True)):
        row = {field: values[number] for field, values in columns.items()}
        row |= {
            "id": path.as_posix(),
            "audio": os.path.relpath(path.absolute(), root),
            "sample_rate_hz": rate,
        }
        rows.append(_utterance(row, seconds, mapping))
    for note in missing.notes():
        logger.warning("%s", note.reason)
    table = pa.table({name: [_stored(row, name) for row in rows] for name in FIELDS}, schema=SCHEMA)
    return Manifest(None, root, table=table)


def _labelled(labels: Values | None, field: str | None, others: Mapping[str, Values]) -> dict[str, Values]:
    """The labels under the name of their field."""
    if labels is None:
        return {}
    if field is None:
        raise ManifestError(
            "labels need label_field, the name of their utterance field: label_field='emotion', or emotion=[…] "
            "instead of labels"
        )
    if field in others:
        raise ManifestError(
            f"labels are of the field '{field}', which is given too; give only one of the two"
        )
    return {field: labels}


def write_list(path: Path | str, manifest: Manifest) -> Path:
    """Writes rows as a JSONL list for the source `manifest`; returns its path.

    Paths are absolute. Lengths of whole files are left out, so that an unreadable file makes no row invalid.

    Raises:
        OutputError: the file cannot be written.
    """
    target = Path(path)
    records = []
    for utterance in manifest:
        row = {name: getattr(utterance, name) for name in FIELDS if name != "extra"}
        path = manifest.audio_path(utterance).absolute()
        row["audio"] = url_of(path) or str(path)
        if utterance.start_s is None:
            row["duration_s"] = None
        known = {name: value for name, value in {**utterance.extra, **row}.items() if value is not None}
        records.append(known)
    write_json_lines(target, records)
    return target


def _listed(name: str, values: Any, what: str) -> list[Any]:
    """The values as a list. A single text is refused, although it is a sequence of letters.

    Raises:
        ManifestError: the values are not a list.
    """
    if isinstance(values, str | bytes | os.PathLike):
        raise ManifestError(f"{name} must be a list of {what}, got '{os.fsdecode(values)}' alone")
    if not isinstance(values, Iterable):
        raise ManifestError(f"{name} must be a list of {what}, got {values!r}")
    return list(values)


def _stripped(value: Any) -> Any:
    """Text without the blanks around it, as in tables."""
    return value.strip() if isinstance(value, str) else value


def _refuse_repeats(paths: Sequence[Path]) -> None:
    seen: dict[Path, int] = {}
    for number, path in enumerate(paths):
        first = seen.setdefault(path.absolute(), number)
        if first != number:
            raise ManifestError(
                f"audio_paths contains {path} twice, at {first} and {number}; give every file once"
            )


def _common_folder(paths: Sequence[Path]) -> Path:
    try:
        return Path(os.path.commonpath([path.absolute().parent for path in paths]))
    except ValueError:  # on several drives
        return Path.cwd()


def _measure(path: Path) -> tuple[float, int | None]:
    try:
        header = read_header(path)
    except AudioError:
        return 0.0, None
    return header.duration_s, header.sample_rate_hz


def _utterance(row: dict[str, Any], seconds: float, mapping: FieldMapping) -> Utterance:
    try:
        return mapping.utterance({**row, **({"duration_s": seconds} if seconds > 0 else {})})
    except FieldValueError as error:
        raise ManifestError(f"{row['id']}: {error}", field=error.field) from error


def _stored(utterance: Utterance, name: str) -> Any:
    value = getattr(utterance, name)
    return None if name == "extra" else list(value) if isinstance(value, tuple) else value
