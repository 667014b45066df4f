"""Opening a bundle: a folder with a card, or a model of the package by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soritune.bundles.card import CARD_FILE, FIRST_SCHEMA, INT8, SCHEMA, WEIGHTS_FORMAT, Bundle
from soritune.bundles.onnx_graph import ONNX
from soritune.bundles.packaged import resolve_model_folder
from soritune.errors import BundleError, reason_of
from soritune.geometry import Geometry
from soritune.settings import first_fault
from soritune.strict_json import read_json


def is_bundle(path: Path | str) -> bool:
    """True when the folder has a card."""
    return (resolve_model_folder(path) / CARD_FILE).is_file()


def load_bundle(path: Path | str) -> Bundle:
    """Opens a bundle by its folder, or by its name if it comes with the package; weights are not read yet.

    Raises:
        BundleError: no such folder, no card, a card of another schema, or the weights file is missing.
    """
    folder = resolve_model_folder(path)
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder; give the folder of a bundle (it holds {CARD_FILE})")
    if not is_bundle(folder):
        raise BundleError(
            f"{folder} is not a bundle: it has no {CARD_FILE}; give a folder that training wrote"
        )
    try:
        card = read_json(folder / CARD_FILE)
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{folder / CARD_FILE} cannot be read ({reason_of(error)}); copy the bundle again"
        ) from error
    if isinstance(card, dict) and card.get("schema") == FIRST_SCHEMA:
        card = _converted(card, folder)
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        schema = card.get("schema") if isinstance(card, dict) else type(card).__name__
        raise BundleError(f"{folder / CARD_FILE} has schema {schema!r}, this version reads {SCHEMA!r}")
    kinds: dict[str, type] = {
        "kind": str, "tasks": list, "outputs": list, "encoder": dict, "preprocessing": dict, "model": dict
    }  # fmt: skip
    missing = [key for key in kinds if key not in card]
    if missing:
        raise BundleError(
            f"{folder / CARD_FILE} lacks {', '.join(missing)}; the card is damaged, copy it again"
        )
    bundle = Bundle(folder, card)
    for key, kind in kinds.items():
        if not isinstance(card[key], kind):
            raise bundle.damaged(key, f"is {card[key]!r}, not a {kind.__name__}")
    if card["kind"] not in ("full", "adapter"):
        raise bundle.damaged("kind", f"is {card['kind']!r}, neither 'full' nor 'adapter'")
    weights_format = card.get(WEIGHTS_FORMAT)
    if weights_format is not None and (weights_format not in (INT8, ONNX) or bundle.is_adapter):
        raise bundle.damaged(
            WEIGHTS_FORMAT, f"is {weights_format!r}; the weights of a full bundle can be {INT8!r} or {ONNX!r}"
        )
    if not bundle.weights_path.is_file():
        raise BundleError(f"{folder} lacks {bundle.weights_path.name}; copy the whole folder")
    return bundle


def _converted(card: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A card of the first schema in the current one: the geometry was the kernels and strides of the convolutions.

    Raises:
        BundleError: they are missing or faulty.
    """
    encoder, preprocessing = card.get("encoder"), card.get("preprocessing")
    if not isinstance(encoder, dict) or not isinstance(preprocessing, dict):
        return {**card, "schema": SCHEMA}  # refused by the checks that follow
    try:
        geometry = Geometry(
            tuple(encoder["conv_kernel"]),
            tuple(encoder["conv_stride"]),
            sample_rate_hz=preprocessing.get("sample_rate_hz", 16000),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Bundle(folder, card).damaged("encoder", first_fault(error)) from error
    dropped = ("conv_kernel", "conv_stride", "frame_rate_hz")
    kept = {key: value for key, value in encoder.items() if key not in dropped}
    return {**card, "schema": SCHEMA, "encoder": {**kept, "geometry": geometry.to_json()}}
