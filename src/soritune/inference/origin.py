"""The header of predictions that a predictor is about to make. Next: `inference/header.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from soritune.bundles.calibration import KEY as CALIBRATION
from soritune.bundles.card import weights_file
from soritune.bundles.versions import versions
from soritune.inference.ensemble import Member
from soritune.inference.header import SCHEMA, Header
from soritune.inference.predictor import Predictor
from soritune.inference.recognition.recogniser import Recogniser
from soritune.tasks.decoding.decoder import record_of

CARD_KEYS = (
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
"""Keys of a bundle's card that go with its predictions, beside its encoder and data."""


def make_header(
    predictor: Predictor, data: Mapping[str, Any] | None = None, recogniser: Recogniser | None = None
) -> Header:
    """What a predictions file states about its origin; `decoder` only where it is not the greedy one, `vad` only
    where speech was looked for, `min_confidence`, `label_windows`, `withheld`, and `coverage` with its `thresholds`
    only where they were set.

    Args:
        predictor: the models.
        data: of the manifest, if the rows come from one: `manifest_hash`, `split`, `policy` of the splits,
            `synthetic`, `root` (where the audio of the rows is), `seen` (`run_folder.rows_seen`).
        recogniser: whose text is in the rows.
    """
    known = dict(data or {})
    bundles = [excerpt(member) for member in predictor.members]
    synthetic = bool(known.get("synthetic")) or any(bundle["data"].get("synthetic") for bundle in bundles)
    decoder = record_of(predictor.decoder)
    tasks = [{"name": task.name, "config": task.config.model_dump(mode="json")} for task in predictor.tasks]
    return Header(
        {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **({} if decoder is None else {"decoder": decoder}),
            **({} if predictor.vad is None else {"vad": predictor.vad.name}),
            **({} if predictor.min_confidence is None else {"min_confidence": predictor.min_confidence}),
            **(
                {}
                if predictor.label_windows is None
                else {"label_windows": predictor.label_windows.model_dump()}
            ),
            **_coverage(predictor),
            **({} if predictor.speaker_norm is None else {"speaker_norm": predictor.speaker_norm}),
            **({} if not predictor.withheld else {"withheld": list(predictor.withheld)}),
            **({} if recogniser is None else {"recogniser": recogniser.record()}),
            "bundle": bundles[0],
            "bundles": bundles,
            "tasks": tasks,
            "data": known,
            "synthetic": synthetic,
            "versions": versions(),
        }
    )


def _coverage(predictor: Predictor) -> dict[str, Any]:
    if predictor.coverage is None:
        return {}
    return {"coverage": predictor.coverage, "thresholds": dict(predictor.thresholds)}


def excerpt(member: Member) -> dict[str, Any]:
    """The part of a bundle's card that goes with its predictions; `calibration` only if it was applied."""
    card = member.card
    files = card.get("files", {})
    return {
        "name": member.name,
        "folder": member.folder,
        "sha256": files.get(weights_file(card)),
        "encoder": dict(card.get("encoder", {})),
        "data": dict(card.get("data") or {}),
        **{key: card.get(key) for key in CARD_KEYS},
        **({} if member.calibration is None else {CALIBRATION: member.calibration.to_json()}),
    }
