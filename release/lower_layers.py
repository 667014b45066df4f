"""Makes an encoder of the lower layers of Whisper, with the weights that a packed model computes with.

    python release/lower_layers.py FOLDER ENCODER --layers 4

FOLDER is one of transformers, such as `release/whisper_base.py` makes. Matrices are stored as int8 and read back, so
that a head that is trained on ENCODER is trained on the states of the packed model (`release/pack_bundle.py --int8`).
The decoder and the layers above are left out; notice and licence are kept.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from soritune.bundles.int8_weights import from_int8, to_int8

ENCODER = re.compile(r"(?:model\.)?encoder\.(.+)")
LAYER = re.compile(r"layers\.(\d+)\.")
COPIED = ("NOTICE", "LICENSE", "preprocessor_config.json", "tensors.json")


def lower_layers(weights: Mapping[str, NDArray[Any]], layers: int) -> dict[str, NDArray[np.float32]]:
    """The weights of the front end, the lowest `layers` layers and the last norm, as a packed model has them."""
    kept: dict[str, NDArray[np.float32]] = {}
    for name, value in weights.items():
        inside = ENCODER.fullmatch(name)
        layer = LAYER.match(inside[1]) if inside else None
        if inside and (layer is None or int(layer[1]) < layers):
            kept[f"encoder.{inside[1]}"] = value.astype(np.float32)
    return from_int8(to_int8(kept))


def make(source: Path, target: Path, layers: int) -> int:
    """Writes the folder; returns the number of weights.

    Raises:
        ValueError: not a folder of Whisper with that many layers.
    """
    config_file, file = source / "config.json", source / "model.safetensors"
    if not config_file.is_file() or not file.is_file():
        raise ValueError(
            f"{source} has no config.json or no model.safetensors; give a folder of transformers"
        )
    config = json.loads(config_file.read_text("utf-8"))
    if config.get("model_type") != "whisper" or not 1 <= layers <= config.get("encoder_layers", 0):
        raise ValueError(
            f"{source} is a model of type {config.get('model_type')!r} with {config.get('encoder_layers')} encoder "
            f"layers; {layers} layers of a Whisper are asked for"
        )
    kept = lower_layers(load_file(file), layers)
    target.mkdir(parents=True, exist_ok=True)
    save_file(kept, target / "model.safetensors", metadata={"format": "pt"})
    text = json.dumps({**config, "encoder_layers": layers}, indent=1)
    (target / "config.json").write_text(text + "\n", "utf-8")
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    return sum(value.size for value in kept.values())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--layers", type=int, required=True)
    options = parser.parse_args()
    try:
        number = make(options.source, options.target, options.layers)
    except ValueError as error:
        sys.exit(f"error: {error}")
    print(f"{number:,} weights of {options.layers} layers in {options.target}")


if __name__ == "__main__":
    main()
