"""predictions.jsonl: a header line, then a row per clip. What `score` and `report` read. Next:
`reports/score.py`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soritune.bundles.versions import versions
from soritune.errors import ManifestError
from soritune.inference.ensemble import Member
from soritune.inference.predictor import Predictor
from soritune.inference.rows import Row
from soritune.tasks.decoding.decoder import record_of
from soritune.tasks.task import Task, make_task
from soritune.whole_file import whole_file

SCHEMA = "soritune.predictions/1"


@dataclass(frozen=True, slots=True)
class Predictions:
    """A predictions file in memory."""

    header: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, rebuilt from the header."""
        return tasks_of(self.header)

    @property
    def good(self) -> list[Row]:
        """Rows that were predicted."""
        return [row for row in self.rows if "error" not in row]

    @property
    def failed(self) -> list[Row]:
        """Rows of clips that could not be read."""
        return [row for row in self.rows if "error" in row]


def tasks_of(header: Mapping[str, Any]) -> tuple[Task, ...]:
    """The tasks a header names, rebuilt with their settings."""
    return tuple(make_task(task["name"], task["config"]) for task in header["tasks"])


def environment() -> dict[str, str]:
    """Versions of what is at work here."""
    return versions()


def make_header(predictor: Predictor, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a predictions file says about its origin; `decoder` only where it is not the greedy one.

    Args:
        predictor: the models.
        data: of the manifest, where there is one: `manifest_hash`, `split`, `policy` of the splits,
            `synthetic`, `root` (where the audio of the rows lies), `seen` (`run_folders.rows_seen`).
    """
    known = dict(data or {})
    bundles = [excerpt(member) for member in predictor.members]
    synthetic = bool(known.pop("synthetic", False)) or any(
        bundle["data"].get("synthetic") for bundle in bundles
    )
    decoder = record_of(predictor.decoder)
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **({} if decoder is None else {"decoder": decoder}),
        "bundle": bundles[0],
        "bundles": bundles,
        "tasks": [
            {"name": task.name, "config": task.config.model_dump(mode="json")} for task in predictor.tasks
        ],
        "data": known,
        "synthetic": synthetic,
        "versions": versions(),
    }


def excerpt(member: Member) -> dict[str, Any]:
    """The part of a bundle's card that goes with its predictions."""
    card = member.card
    files = card.get("files", {})
    weights = files.get("model.safetensors") or files.get("adapter_model.safetensors")
    keys = (
        "kind",
        "created",
        "version",
        "recipe_name",
        "recipe",
        "training",
        "licence",
        "seed",
        "git_revision",
        "base",
    )
    return {
        "name": member.name,
        "folder": member.folder,
        "sha256": weights,
        "encoder": dict(card.get("encoder", {})),
        "data": dict(card.get("data") or {}),
        **{key: card.get(key) for key in keys},
    }


def write_predictions(path: Path | str, header: Mapping[str, Any], rows: Iterable[Row]) -> tuple[int, int]:
    """Writes a predictions file, at once or not at all; rows may come from a running prediction.

    Returns:
        How many rows were predicted and how many failed.

    Raises:
        OutputError: the place cannot be written to.
    """
    good = failed = 0
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(_line(header))
        for row in rows:
            failed, good = failed + ("error" in row), good + ("error" not in row)
            stream.write(_line(row))
    return good, failed


def read_predictions(path: Path | str) -> Predictions:
    """Reads a predictions file.

    Raises:
        ManifestError: missing, not UTF-8, a line that is no JSON object, or no predictions file.
    """
    file = Path(path)
    lines = list(_objects(file))
    if not lines or lines[0].get("schema") != SCHEMA:
        found = lines[0].get("schema") if lines else "nothing"
        raise ManifestError(
            f"is no predictions file (its first line has schema {found!r}, not {SCHEMA!r})", path=file
        )
    for number, row in enumerate(lines[1:], 2):
        if "id" not in row or ("tasks" not in row and "error" not in row):
            raise ManifestError("a row needs 'id' and either 'tasks' or 'error'", path=file, line=number)
    return Predictions(lines[0], tuple(lines[1:]))


def pool_predictions(parts: Sequence[Path | str], path: Path | str) -> Path:
    """Joins predictions of several models over different clips (folds) into one file.

    The header is the first part's; its bundle is the first of `bundles`, and `data` says that it is pooled.

    Raises:
        ManifestError: no part, parts of different tasks or decoders, or a clip that is in two of them.
    """
    if not parts:
        raise ManifestError("no predictions to pool; give at least one file", path=path)
    first = read_predictions(parts[0])
    labels = [[spec.labels for spec in task.outputs] for task in first.tasks]
    rows: list[Row] = []
    bundles: list[Any] = []
    synthetic, seen = False, dict[str, Path | str]()
    in_training: list[Mapping[str, int] | None] = []
    for part in parts:
        read = read_predictions(part)
        if [[spec.labels for spec in task.outputs] for task in read.tasks] != labels:
            raise ManifestError(
                f"has other tasks or labels than {parts[0]}; pool folds of one recipe", path=part
            )
        if read.header.get("decoder") != first.header.get("decoder"):
            raise ManifestError(
                f"was read by another decoder than {parts[0]}; pool predictions of one decoder", path=part
            )
        for row in read.rows:
            if row["id"] in seen:
                raise ManifestError(
                    f"'{row['id']}' is also in {seen[row['id']]}; folds must not overlap", path=part
                )
            seen[row["id"]] = part
        rows.extend(read.rows)
        bundles.extend(read.header.get("bundles", []))
        synthetic = synthetic or bool(read.header.get("synthetic"))
        in_training.append(read.header.get("data", {}).get("seen"))
    data = {**first.header.get("data", {}), "pooled": len(parts)}
    data.pop("seen", None)
    known = [own for own in in_training if own is not None]
    if len(known) == len(parts):
        data["seen"] = {kind: sum(own[kind] for own in known) for kind in ("train", "val")}
    bundle = dict(first.header.get("bundle", {}))
    bundle["name"] = f"{len(parts)} models of {Path(path).resolve().parent.parent.name}"
    header = {**first.header, "bundle": bundle, "bundles": bundles, "data": data, "synthetic": synthetic}
    write_predictions(path, header, rows)
    return Path(path)


def _objects(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    value = json.loads(line)
                except json.JSONDecodeError as error:
                    raise ManifestError(f"is not JSON ({error.msg})", path=file, line=number) from error
                if not isinstance(value, dict):
                    raise ManifestError("is not a JSON object", path=file, line=number)
                yield value
    except FileNotFoundError:
        raise ManifestError("is not there; write it with `soritune predict --output`", path=file) from None
    except UnicodeDecodeError as error:
        raise ManifestError(f"is not UTF-8 text ({error.reason})", path=file) from error
    except OSError as error:
        raise ManifestError(f"cannot be read ({error.strerror})", path=file) from error


def _line(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(without_nan(value), ensure_ascii=False) + "\n"


def without_nan(value: Any) -> Any:
    """JSON values with null in the place of nan and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
