"""predictions.jsonl: one row per clip, and a header, which is the first line or a file beside it.

With the header in `predictions.header.json` every line of `predictions.jsonl` is a row, as other programs expect. Every
reader takes both. This file and the two that it imports are the format: they load no model. Next: `reports/score.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soritune.errors import ManifestError, reason_of
from soritune.inference.header import SCHEMA, Header
from soritune.inference.json_values import JsonObject, without_nan
from soritune.run_folder import RunFolder
from soritune.strict_json import parse_json
from soritune.tasks.task import Task
from soritune.whole_file import whole_file, write_text

_ROWS = "num_rows"
"""Key of a header beside its file: how many rows the file has."""
_REMEDY = "write the file again with `soritune predict --output`"
Row = dict[str, Any]
"""`{"id", "audio", "duration_s", "groups", "tasks"}` or `{"id", "audio", "error"}`."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """A predictions file in memory."""

    header: Header
    rows: tuple[Row, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, rebuilt from the header."""
        return self.header.tasks

    @property
    def good(self) -> list[Row]:
        """Rows that were predicted."""
        return [row for row in self.rows if "error" not in row]

    @property
    def failed(self) -> list[Row]:
        """Rows of clips that could not be read."""
        return [row for row in self.rows if "error" in row]


def header_file(path: Path | str) -> Path:
    """The file beside a predictions file that has its header, where the header is not its first line."""
    return Path(path).with_suffix(".header.json")


def write_predictions(
    path: Path | str, header: Header, rows: Iterable[Row], *, header_beside: bool = False
) -> tuple[int, int]:
    """Writes a predictions file, at once or not at all; rows may come from a running prediction.

    Args:
        path: of the file.
        header: of the predictions.
        rows: in the order in which they are written.
        header_beside: write the header into `header_file(path)`, so that the first line of the file is a row.

    Returns:
        How many rows were predicted and how many failed.

    Raises:
        OutputError: the path cannot be written to.
    """
    good = failed = 0
    # Names of files may hold bytes that are not text; as escapes of JSON they are read as the same names.
    escape = "backslashreplace"
    with (
        whole_file(path) as part,
        part.open("w", encoding="utf-8", errors=escape, newline="\n") as stream,
    ):
        if not header_beside:
            stream.write(_line(header.to_json()))
        for row in rows:
            failed, good = failed + ("error" in row), good + ("error" not in row)
            stream.write(_line(row))
    if header_beside:
        write_text(header_file(path), _line({**header.to_json(), _ROWS: failed + good}))
    else:
        header_file(path).unlink(missing_ok=True)  # of a file that this one replaces
    return good, failed


def read_predictions(path: Path | str) -> Predictions:
    """Reads a predictions file, with its header as the first line or in the file beside it.

    Raises:
        ManifestError: a missing file, one that is not UTF-8 or not a predictions file, a line that is not a JSON
            object, or a row or header without what it needs.
    """
    file = Path(path)
    lines = list(_objects(file))
    beside = header_file(file)
    if lines and lines[0].get("schema") == SCHEMA:
        header, rows, first_line = JsonObject(lines[0], file, _REMEDY), lines[1:], 2
    elif beside.is_file():
        header, rows, first_line = _header_beside(beside, file, len(lines)), lines, 1
    else:
        schema = lines[0].get("schema") if lines else "nothing"
        raise ManifestError(
            f"is not a predictions file (its first line has schema {schema!r}, not {SCHEMA!r}, and there is no "
            f"{beside.name} beside it)",
            path=file,
        )
    _check_rows(rows, file, first_line)
    return Predictions(Header.read(header), tuple(rows))


def _header_beside(beside: Path, file: Path, num_rows: int) -> JsonObject:
    """The header of a file that has only rows.

    Raises:
        ManifestError: it is not a header, or that of another file.
    """
    content = next(_objects(beside), {})
    if content.get("schema") != SCHEMA:
        raise ManifestError(
            f"is not the header of predictions (schema {content.get('schema')!r})", path=beside
        )
    stated = content.pop(_ROWS, None)
    if stated != num_rows:
        raise ManifestError(
            f"is the header of {stated} rows, and {file.name} has {num_rows}; {_REMEDY}", path=beside
        )
    return JsonObject(content, beside, _REMEDY)


def _check_rows(rows: Sequence[Row], file: Path, first_line: int) -> None:
    """Checks all that scores and reports use of the rows, the first of which is on line `first_line`.

    Raises:
        ManifestError: a value is missing or cannot be, or two rows are of one clip.
    """
    lines: dict[tuple[str, Any], int] = {}
    for number, values in enumerate(rows, first_line):
        if "id" not in values or ("tasks" not in values and "error" not in values):
            raise ManifestError("a row needs 'id' and either 'tasks' or 'error'", path=file, line=number)
        row = JsonObject(values, file, _REMEDY, line=number)
        clip = (row.text("id"), values.get("channel"))
        if lines.setdefault(clip, number) != number:
            raise row.fault(f"'{clip[0]}' is already on line {lines[clip]}, and every clip may be there once")
        if "tasks" in row:
            _check_predicted_row(row)


def _check_predicted_row(row: JsonObject) -> None:
    row.text("audio")
    if not 0 <= row.number("duration_s") < math.inf:
        raise row.fault(f"'duration_s' must be a number of seconds, not {row.values['duration_s']!r}")
    row.object("groups")
    for answer in row.objects("tasks").values():
        prediction = answer.object("prediction")
        prediction.share("confidence")
        if prediction.values.get("probabilities") is not None:
            probabilities = prediction.object("probabilities")
            for label in probabilities:
                probabilities.share(label)
        if answer.values.get("reference") is not None:
            answer.object("reference")
    if row.values.get("windows") is not None:
        for window in row.listed("windows"):
            if not 0 <= window.number("start_s") <= window.number("end_s") < math.inf:
                raise window.fault(f"'{window.where('end_s')}' must be a time after 'start_s'")
            for prediction in window.objects("tasks").values():
                prediction.share("confidence")
                if prediction.values.get("label") is not None:
                    prediction.text("label")


def pool_predictions(parts: Sequence[Path | str], path: Path | str) -> Path:
    """Joins predictions of several models over different clips (folds) into one file.

    The header is the first part's; its bundle is the first of `bundles`, and `data` states how many parts were pooled.

    Raises:
        ManifestError: no part, parts of different tasks, decoders, inputs, windows or uncertain labels, or a clip that
            is in two of them.
    """
    if not parts:
        raise ManifestError("no predictions to pool; give at least one file", path=path)
    read = [read_predictions(part) for part in parts]
    first = read[0]
    sources = dict[str, Path | str]()
    for part, predictions in zip(parts, read, strict=True):
        if _labels(predictions) != _labels(first):
            raise ManifestError(
                f"has other tasks or labels than {parts[0]}; pool folds of one recipe", path=part
            )
        if predictions.header.decoder != first.header.decoder:
            raise ManifestError(
                f"was read by another decoder than {parts[0]}; pool predictions of one decoder", path=part
            )
        if (predictions.header.speaker_norm is None) != (first.header.speaker_norm is None):
            raise ManifestError(
                f"and {parts[0]} are with and without normalisation per speaker, which are not pooled",
                path=part,
            )
        if predictions.header.withheld != first.header.withheld:
            raise ManifestError(
                f"was made with other inputs than {parts[0]}; pool predictions that withhold the same",
                path=part,
            )
        if _uncertainty(predictions) != _uncertainty(first):
            raise ManifestError(
                f"has another minimum confidence or coverage than {parts[0]}; pool predictions with the same one",
                path=part,
            )
        if predictions.header.label_windows != first.header.label_windows:
            raise ManifestError(
                f"was cut into other windows than {parts[0]}; pool predictions with the same windows",
                path=part,
            )
        for row in predictions.rows:
            if row["id"] in sources:
                raise ManifestError(
                    f"'{row['id']}' is also in {sources[row['id']]}; folds must not overlap", path=part
                )
            sources[row["id"]] = part
    header = _pooled_header([predictions.header for predictions in read], Path(path))
    write_predictions(path, header, (row for predictions in read for row in predictions.rows))
    return Path(path)


def _labels(predictions: Predictions) -> list[list[tuple[str, ...]]]:
    return [[spec.labels for spec in task.outputs] for task in predictions.tasks]


def _uncertainty(predictions: Predictions) -> tuple[float | None, float | None]:
    """How labels were marked as uncertain."""
    return predictions.header.min_confidence, predictions.header.coverage


def _pooled_header(headers: Sequence[Header], path: Path) -> Header:
    first = headers[0].content
    data = {**first.get("data", {}), "pooled": len(headers)}
    data.pop("seen", None)
    seen = [header.data.seen for header in headers]
    known = [counts for counts in seen if counts is not None]
    if len(known) == len(headers):
        data["seen"] = {kind: sum(counts[kind] for counts in known) for kind in ("train", "val")}
    if "synthetic" in data:
        data["synthetic"] = any(header.data.synthetic for header in headers)
    name = f"{len(headers)} models of {RunFolder.of_predictions(path).path.name}"
    changed = {
        "bundle": {**first.get("bundle", {}), "name": name},
        "bundles": [bundle for header in headers for bundle in header.content.get("bundles", [])],
        "data": data,
        "synthetic": any(header.synthetic for header in headers),
    }
    norms = [header.content["speaker_norm"] for header in headers if header.speaker_norm is not None]
    if norms:
        least, most = zip(*(norm["clips"] for norm in norms), strict=True)
        speakers = sum(norm["speakers"] for norm in norms)
        changed["speaker_norm"] = {"speakers": speakers, "clips": [min(least), max(most)]}
    stated = [header.content.get("thresholds") for header in headers]
    if any(thresholds != stated[0] for thresholds in stated):
        # Each model has its own threshold of a coverage, and the rows below it are marked one by one.
        first = {key: value for key, value in first.items() if key not in ("coverage", "thresholds")}
    return Header({**first, **changed})


def _objects(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    value = parse_json(line)
                except ValueError as error:
                    raise ManifestError(f"is not JSON ({error})", path=file, line=number) from error
                if not isinstance(value, dict):
                    raise ManifestError("is not a JSON object", path=file, line=number)
                yield value
    except FileNotFoundError:
        raise ManifestError("does not exist; write it with `soritune predict --output`", path=file) from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"is not UTF-8 text ({error.reason})", path=file) from error
    except OSError as error:
        raise ManifestError(f"cannot be read ({reason_of(error)})", path=file) from error


def _line(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(without_nan(value), ensure_ascii=False) + "\n"
