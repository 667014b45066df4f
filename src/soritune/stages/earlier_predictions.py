"""Predictions of an earlier call that are kept, so that a nightly call predicts only what is new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from soritune.errors import OutputError
from soritune.inference.header import Header
from soritune.inference.predictions import Row, read_predictions

_OF_A_CALL = ("created", "data", "versions", "synthetic")
"""Keys of a header that differ from call to call with the same models and settings."""


def earlier_rows(output: Path, header: Header) -> list[Row]:
    """The rows of `output` that are kept: those without an error whose recordings have not changed since
    the earlier call began.

    Args:
        output: the predictions file of the earlier call; without one, nothing is kept.
        header: of the predictions that are about to be made.

    Raises:
        OutputError: the file was made with other models or settings.
        ManifestError: it is not a predictions file.
    """
    if not output.exists():
        return []
    earlier = read_predictions(output)
    differing = differing_parts(earlier.header, header)
    if differing:
        raise OutputError(
            f"{output} was predicted with another {', '.join(differing)}; --resume needs the same, so choose another "
            "--output or leave --resume out"
        )
    began = _began(earlier.header, output)
    return [row for row in earlier.good if not _changed(Path(row["audio"]), began)]


def _began(header: Header, output: Path) -> float:
    """When the earlier call began, in seconds of the epoch, rounded down; a file of older versions has its own time.

    Not its end: a recording that was still being written when it was read has a time between the two.
    """
    try:
        return datetime.fromisoformat(header.created or "").timestamp()
    except ValueError:
        return output.stat().st_mtime


def differing_parts(first: Header, second: Header) -> list[str]:
    """Names of what differs between two headers: models, tasks, windows and other settings of predictions."""
    names = {"bundles": "model", "label_windows": "window"}
    one, other = _settings(first), _settings(second)
    keys = dict.fromkeys([*one, *other])
    return [names.get(key, key) for key in keys if one.get(key) != other.get(key)]


def _settings(header: Header) -> dict[str, Any]:
    content = json.loads(json.dumps(header.to_json()))  # one of the two was read from a file
    content["bundles"] = [
        bundle.get("sha256") for bundle in content.get("bundles", [content.pop("bundle", {})])
    ]
    return {key: value for key, value in content.items() if key not in (*_OF_A_CALL, "bundle")}


def new_files(files: Sequence[Path], rows: Iterable[Row]) -> list[Path]:
    """The files that no row is about."""
    done = {Path(row["audio"]).absolute() for row in rows}
    return [file for file in files if file.absolute() not in done]


def _changed(audio: Path, began: float) -> bool:
    """Whether a recording may have changed since it was read; a deleted one did not."""
    return audio.exists() and audio.stat().st_mtime >= began
