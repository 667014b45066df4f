"""How audio was preprocessed for the weights that a training starts from. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from soritune.bundles.read import is_bundle, load_bundle
from soritune.errors import ModelError, reason_of
from soritune.models.config import ModelConfig
from soritune.models.encoders.encoder import family_of
from soritune.models.pretrained import open_pretrained
from soritune.strict_json import read_json

COMPARED = {"normalize": bool, "sample_rate_hz": int}
"""Settings of `Preprocessing` that a model is trained for, and their types."""


def starting_preprocessing(config: ModelConfig) -> dict[str, Any]:
    """The settings of `COMPARED` that the starting point states: a bundle in its card, a folder of transformers in the
    configuration of its feature extractor. Settings that it does not state are left out.

    Raises:
        ModelError, BundleError: the starting point cannot be found, or its configuration cannot be read.
    """
    source = config.starts_from
    if source is None:
        return {}
    if is_bundle(source):
        return _typed(load_bundle(source).preprocessing)
    model = open_pretrained(source)
    stored = stored_configuration(model.folder)
    return _typed(family_of(model.config["model_type"], source).stored_preprocessing(stored))


def other_extractor(config: ModelConfig) -> str | None:
    """The feature extractor that the starting point's files name, if it is not that of the encoder's family.

    Raises:
        ModelError, BundleError: as `starting_preprocessing`.
    """
    source = config.starts_from
    if source is None or is_bundle(source):
        return None
    model = open_pretrained(source)
    expected = family_of(model.config["model_type"], source).extractor_type
    name = stored_configuration(model.folder).get("feature_extractor_type")
    return name if isinstance(name, str) and expected not in (None, name) else None


def stored_configuration(folder: Path) -> dict[str, Any]:
    """How a folder of transformers reads audio: preprocessor_config.json, or the part of processor_config.json with a
    sample rate, as newer versions write it. {} without both.

    Raises:
        ModelError: a file that cannot be read.
    """
    for name in ("preprocessor_config.json", "processor_config.json"):
        file = folder / name
        if not file.is_file():
            continue
        try:
            content = read_json(file)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{file} cannot be read ({reason_of(error)}); copy the model again, or remove the file"
            ) from error
        if not isinstance(content, dict):
            continue
        if name == "preprocessor_config.json":
            return content
        for part in content.values():
            if isinstance(part, dict) and "sampling_rate" in part:
                return part
    return {}


def _typed(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name, kind in COMPARED.items() if type(settings.get(name)) is kind}
