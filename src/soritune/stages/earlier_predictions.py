"""Predictions of an earlier call that are kept, so that a nightly call predicts only what is new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from soritune.bundles.card import Bundle, weights_file
from soritune.errors import OutputError
from soritune.inference.header import Header
from soritune.inference.label_windows import LabelWindows
from soritune.inference.predictions import Predictions, Row, read_predictions

_OF_A_CALL = ("created", "data", "versions", "synthetic")
"""Keys of a header that differ from call to call with the same models and settings."""
LONGEST_VALUE = 80
"""Characters of a setting in a message."""


def earlier_rows(output: Path, header: Header, earlier: Predictions | None = None) -> list[Row]:
    """The rows of `output` that are kept: those of recordings that have no error and have not changed since
    the earlier call began.

    Args:
        output: the predictions file of the earlier call; without one, nothing is kept.
        header: of the predictions that are about to be made.
        earlier: what the file has, if it was read before.

    Raises:
        OutputError: the file was made with other models or settings.
        ManifestError: it is not a predictions file.
    """
    if not output.exists():
        return []
    earlier = earlier or read_predictions(output)
    refuse_other_settings(output, earlier.header, header)
    began = _began(earlier.header, output)
    # One channel of a recording may have failed alone; the recording is predicted again as a whole.
    failed = {row["audio"] for row in earlier.failed}
    return [
        row for row in earlier.good if row["audio"] not in failed and not _changed(Path(row["audio"]), began)
    ]


def known_settings(
    bundles: Iterable[Bundle],
    *,
    vad: str | None,
    min_confidence: float | None,
    coverage: float | None,
    windows: LabelWindows | None,
    withheld: Sequence[str],
) -> Header:
    """What a header will state, as far as it is known before a model is loaded."""
    return Header(
        {
            "bundles": [
                {
                    "name": bundle.name,
                    "folder": bundle.path.name,
                    "sha256": bundle.card.get("files", {}).get(weights_file(bundle.card)),
                }
                for bundle in bundles
            ],
            "vad": vad,
            "min_confidence": min_confidence,
            "coverage": coverage,
            "label_windows": None if windows is None else windows.model_dump(),
            "withheld": list(withheld) or None,
        }
    )


def refuse_other_settings(path: Path, first: Header, second: Header, *, only_known: bool = False) -> None:
    """Refuses rows that were made with other models or settings.

    Args:
        path: of the rows, for the message.
        first: their header.
        second: of the predictions that are about to be made.
        only_known: compare only what `second` states.

    Raises:
        OutputError: they differ.
    """
    differing = differing_parts(first, second, only_known=only_known)
    if differing:
        texts = [f"{name} {old}, and this call has {new}" for name, (old, new) in differing.items()]
        raise OutputError(
            f"{path} was predicted with {'; with '.join(texts)}; --resume needs the same, so choose another "
            "--output or leave --resume out"
        )


def _began(header: Header, output: Path) -> float:
    """When the earlier call began, in seconds of the epoch, rounded down; a file of older versions has its own time.

    Not its end: a recording that was still being written when it was read has a time between the two.
    """
    try:
        return datetime.fromisoformat(header.created or "").timestamp()
    except ValueError:
        return output.stat().st_mtime


def differing_parts(first: Header, second: Header, *, only_known: bool = False) -> dict[str, tuple[str, str]]:
    """What differs between two headers, such as models, tasks and windows: names and both values as text.

    Args:
        first: a header.
        second: another one.
        only_known: compare only what `second` states.
    """
    names = {"bundles": "model", "label_windows": "window"}
    one, other = _settings(first), _settings(second)
    keys = dict.fromkeys([*([] if only_known else one), *other])
    return {
        names.get(key, key): (_value_text(first, key), _value_text(second, key))
        for key in keys
        if one.get(key) != other.get(key)
    }


def _value_text(header: Header, key: str) -> str:
    """A setting of a header as people read it, on one line."""
    if key == "bundles":
        return " and ".join(
            f"{model.name} ({model.folder}, {str(model.sha256)[:8]})"
            for model in header.models or (header.model,)
        )
    value = header.content.get(key)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(part)}" for name, part in value.items())
    return _short(value)


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


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


def new_rows(rows: Iterable[Row], known: Iterable[Row]) -> list[Row]:
    """The rows of recordings that no known row is about."""
    done = {row["audio"] for row in known}
    return [row for row in rows if row["audio"] not in done]


def _changed(audio: Path, began: float) -> bool:
    """Whether a recording may have changed since it was read; a deleted one did not."""
    return audio.exists() and audio.stat().st_mtime >= began
