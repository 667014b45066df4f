"""Makes a folder that transformers opens as a `WhisperModel` out of a CTranslate2 folder or one of transformers.

    python release/whisper_base.py --from FOLDER_OR_HUB_NAME --output FOLDER

The folder gets the weights in half precision, config.json, preprocessor_config.json, the licence with where the weights
are from (`NOTICE`, which bundles that are trained from it carry on), and `tensors.json` with the SHA-256 of every
tensor, so that anyone can compare them with those of `openai/whisper-base`. `--compare tensors.json` compares them with
an earlier folder. `--original tensors.json` states that this other folder was made from OpenAI's own files: if all
tensors are equal, `NOTICE` says so, and no longer that the weights were obtained from a re-upload.

Format of CTranslate2's model.bin, version 6, little-endian: version, name of the model, revision, number of variables;
for each variable its name, shape, type and bytes; then aliases. A name is its length with a final zero (uint16), then
its bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from soritune.errors import SorituneError
from soritune.models.encoders.whisper.family import ENGLISH_VOCABULARY
from soritune.models.pretrained import open_pretrained
from soritune.whole_file import write_text

VERSION, MODEL = 6, "WhisperSpec"
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's number of a type → NumPy's type."""
HEAD_SIZE = 64
"""Channels of an attention head, in all sizes of Whisper."""


PUBLISHED = {384: "tiny", 512: "base", 768: "small", 1024: "medium", 1280: "large"}
"""Width of a model → its size in the name."""
LATEST_MEL_BINS, TURBO_LAYERS = 128, 4
"""Mel bins of large-v3; decoder layers of large-v3-turbo."""
REUPLOAD = (
    "Obtained from a re-upload. The tensors have not been compared with those of {name}; their SHA-256 are in "
    "tensors.json."
)
FROM_HUB = "Obtained from the hub as {name}."
COMPARED = (
    "Obtained from a re-upload. All tensors are equal to those of {name}, by their SHA-256 in tensors.json."
)
LICENCE = """\
MIT License

Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
"""Of Whisper's code and weights, https://github.com/openai/whisper."""


class ConversionError(Exception):
    """A folder that cannot be converted."""


def read_ctranslate2(file: Path) -> dict[str, NDArray[Any]]:
    """The variables of a model.bin by name, without aliases.

    Raises:
        ConversionError: another version or model, or a file that ends early.
    """
    with file.open("rb") as stream:
        (version,) = _read(stream, "<I")
        if version != VERSION:
            raise ConversionError(f"{file} has version {version} of CTranslate2's format; {VERSION} is known")
        name = _name(stream)
        if name != MODEL:
            raise ConversionError(f"{file} holds a model '{name}', not a {MODEL}")
        _, count = _read(stream, "<II")
        return dict(_variable(stream, file) for _ in range(count))


def _variable(stream: BinaryIO, file: Path) -> tuple[str, NDArray[Any]]:
    name = _name(stream)
    (rank,) = _read(stream, "<B")
    shape = _read(stream, f"<{rank}I")
    kind, size = _read(stream, "<BI")
    if kind not in TYPES:
        raise ConversionError(f"{file}: the variable {name} has type {kind}, which is not known")
    content = stream.read(size)
    if size % np.dtype(TYPES[kind]).itemsize:
        raise ConversionError(f"{file}: the variable {name} ends inside a value; copy it again")
    if len(content) < size:
        raise ConversionError(f"{file} ends inside the variable {name}; copy it again")
    values = np.frombuffer(content, dtype=TYPES[kind])
    if values.size != math.prod(shape):
        raise ConversionError(
            f"{file}: the variable {name} has {values.size} values and the shape {shape}; copy it again"
        )
    return name, values.reshape(shape)


def _read(stream: BinaryIO, layout: str) -> tuple[Any, ...]:
    size = struct.calcsize(layout)
    content = stream.read(size)
    if len(content) < size:
        raise ConversionError(f"{stream.name} ends early; copy it again")
    return struct.unpack(layout, content)


def _name(stream: BinaryIO) -> str:
    (length,) = _read(stream, "<H")
    (name,) = _read(stream, f"<{length}s")
    return bytes(name).rstrip(b"\0").decode(errors="replace")


def to_transformers(variables: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """CTranslate2's variables under the names of `WhisperModel`.

    Projections to queries, keys and values are stacked by rows there; the key projection has no bias in transformers.

    Raises:
        ConversionError: a variable without a counterpart, weights that were quantised, or a bias of keys.
    """
    tensors: dict[str, NDArray[Any]] = {}
    for name, value in variables.items():
        if name in ("decoder/projection/weight", "decoder/projection/bias") or np.ndim(value) == 0:
            continue  # tied to the embedding; scalars are settings
        if value.dtype.kind != "f":
            raise ConversionError(
                f"{name} is quantised ({value.dtype}); take the model in float16 or float32"
            )
        try:
            tensors.update(_renamed(name, value))
        except (KeyError, IndexError, ValueError) as error:
            raise ConversionError(
                f"the variable {name} of shape {value.shape} has no counterpart in transformers; take a Whisper as "
                "published"
            ) from error
    return tensors


def _renamed(name: str, value: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    side, *path = name.split("/")
    if path[0] in ("conv1", "conv2"):
        yield f"{side}.{path[0]}.{path[1]}", value
    elif path[0] == "embeddings":
        yield f"{side}.embed_tokens.weight", value
    elif path[0] == "position_encodings":
        yield f"{side}.embed_positions.weight", value
    elif path[0] == "layer_norm":
        yield f"{side}.layer_norm.{_norm(path[1])}", value
    elif path[0].startswith("layer_"):
        layer = f"{side}.layers.{int(path[0].removeprefix('layer_'))}"
        yield from _of_layer(layer, path[1], path[2], path[3], value)
    else:
        raise KeyError(name)


def _of_layer(
    layer: str, part: str, module: str, kind: str, value: NDArray[Any]
) -> Iterator[tuple[str, NDArray[Any]]]:
    if part == "ffn":
        names = {"layer_norm": "final_layer_norm", "linear_0": "fc1", "linear_1": "fc2"}
        yield f"{layer}.{names[module]}.{_norm(kind)}", value
        return
    attention = {"self_attention": "self_attn", "attention": "encoder_attn"}[part]
    if module == "layer_norm":
        yield f"{layer}.{attention}_layer_norm.{_norm(kind)}", value
        return
    projections = {
        ("self_attention", "linear_0"): ("q_proj", "k_proj", "v_proj"),
        ("self_attention", "linear_1"): ("out_proj",),
        ("attention", "linear_0"): ("q_proj",),
        ("attention", "linear_1"): ("k_proj", "v_proj"),
        ("attention", "linear_2"): ("out_proj",),
    }[part, module]
    for projection, rows in zip(projections, np.split(value, len(projections)), strict=True):
        if (projection, kind) != ("k_proj", "bias"):
            yield f"{layer}.{attention}.{projection}.{kind}", rows
        elif rows.any():
            raise ConversionError(
                f"{layer}.{attention}: the keys have a bias, which transformers does not have"
            )


def _norm(kind: str) -> str:
    return {"gamma": "weight", "beta": "bias"}.get(kind, kind)


def architecture_of(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """config.json, from the shapes of the tensors.

    Raises:
        ConversionError: the encoder or the decoder is missing.
    """

    ends = ("layers.0.fc1.weight", "embed_positions.weight")
    needed = ["encoder.conv1.weight", "decoder.embed_tokens.weight"]
    needed += [f"{side}.{end}" for side in ("encoder", "decoder") for end in ends]
    lacking = next((name for name in needed if name not in tensors), None)
    if lacking is not None:
        raise ConversionError(
            f"it is not a whole Whisper: the tensor {lacking} is missing; take the whole file"
        )
    shape = tensors["encoder.conv1.weight"].shape
    if len(shape) != 3 or shape[0] % HEAD_SIZE:
        raise ConversionError(
            f"the tensor encoder.conv1.weight has the shape {shape}; a Whisper has three dimensions there, the first "
            f"a multiple of {HEAD_SIZE}"
        )
    channels, bins, _ = shape

    def layers(side: str) -> int:
        return len({name.split(".")[2] for name in tensors if name.startswith(f"{side}.layers.")})

    return {
        "model_type": "whisper",
        "architectures": ["WhisperModel"],
        "d_model": channels,
        "num_mel_bins": bins,
        "vocab_size": len(tensors["decoder.embed_tokens.weight"]),
        "encoder_layers": layers("encoder"),
        "decoder_layers": layers("decoder"),
        "encoder_attention_heads": channels // HEAD_SIZE,
        "decoder_attention_heads": channels // HEAD_SIZE,
        "encoder_ffn_dim": len(tensors["encoder.layers.0.fc1.weight"]),
        "decoder_ffn_dim": len(tensors["decoder.layers.0.fc1.weight"]),
        "max_source_positions": len(tensors["encoder.embed_positions.weight"]),
        "max_target_positions": len(tensors["decoder.embed_positions.weight"]),
    }


def checksums(tensors: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """SHA-256 of each tensor in half precision, little-endian, by name."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(value.astype("<f2")).tobytes()).hexdigest()
        for name, value in sorted(tensors.items())
    }


def read_source(source: str) -> dict[str, NDArray[Any]]:
    """The tensors of a folder or hub name, under the names of `WhisperModel`.

    Raises:
        ConversionError: it holds no Whisper.
        ModelError: it is not a folder of a model.
    """
    folder = Path(source)
    if (folder / "model.bin").is_file():
        return to_transformers(read_ctranslate2(folder / "model.bin"))
    tensors = {
        name.removeprefix("model."): value.numpy()
        for name, value in open_pretrained(source).weights().items()
    }
    tensors.pop("proj_out.weight", None)  # tied to the embedding
    return tensors


def notice(source: str, name: str, sums: Mapping[str, str], original: Mapping[str, str] | None) -> str:
    """The text of NOTICE: the name of the weights, where they are from, their licence.

    Args:
        source: the folder or hub name that they were read from.
        name: their published name.
        sums: checksums of the tensors.
        original: checksums of OpenAI's own; None if they are not at hand.
    """
    if source.startswith("openai/whisper-") and not Path(source).exists():
        origin = FROM_HUB
    else:
        origin = COMPARED if original is not None and dict(original) == dict(sums) else REUPLOAD
    return f"Whisper, {name}, by OpenAI.\n\n{origin.format(name=name)}\n\n{LICENCE}"


def published_name(architecture: Mapping[str, Any]) -> str:
    """The name of OpenAI's model with these sizes; the weights may be others of the same sizes."""
    name = f"openai/whisper-{PUBLISHED.get(architecture['d_model'], 'unknown')}"
    if architecture["vocab_size"] == ENGLISH_VOCABULARY:
        return f"{name}.en"
    if architecture["num_mel_bins"] == LATEST_MEL_BINS:
        return f"{name}-v3-turbo" if architecture["decoder_layers"] == TURBO_LAYERS else f"{name}-v3"
    return name


def convert(source: str, output: Path, original: Mapping[str, str] | None = None) -> dict[str, str]:
    """Writes the folder; returns the checksums of its tensors.

    Args:
        source: folder or hub name.
        output: folder to make.
        original: checksums of the tensors of OpenAI's own files, as `tensors.json` has them.

    Raises:
        ConversionError: the tensors are not those of a `WhisperModel`.
    """
    import transformers

    with np.errstate(over="ignore"):
        tensors = {
            name: np.ascontiguousarray(value.astype(np.float16))
            for name, value in read_source(source).items()
        }
    architecture = architecture_of(tensors)
    _check_strictly(tensors, architecture)
    output.mkdir(parents=True, exist_ok=True)
    save_file(tensors, output / "model.safetensors", metadata={"format": "pt"})
    write_text(output / "config.json", json.dumps(architecture, indent=1) + "\n")
    extractor = transformers.WhisperFeatureExtractor(feature_size=architecture["num_mel_bins"])
    extractor.save_pretrained(output)
    sums = checksums(tensors)
    write_text(output / "tensors.json", json.dumps(sums, indent=1) + "\n")
    write_text(output / "NOTICE", notice(source, published_name(architecture), sums, original))
    return sums


def _check_strictly(tensors: Mapping[str, NDArray[Any]], architecture: Mapping[str, Any]) -> None:
    """Compares names and shapes with those of transformers' `WhisperModel`.

    Raises:
        ConversionError: the first tensor that is missing, unknown, of another shape or not finite.
    """
    import torch
    import transformers

    try:
        with torch.device("meta"):
            model = transformers.WhisperModel(transformers.WhisperConfig(**architecture))
    except (AssertionError, ValueError, RuntimeError) as error:
        raise ConversionError(f"transformers cannot build a WhisperModel of these sizes ({error})") from error
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted({*expected, *tensors}):
        if name not in tensors:
            raise ConversionError(f"the tensor {name} is missing; take the whole file of a Whisper")
        if name not in expected:
            raise ConversionError(
                f"the tensor {name} is not one of a WhisperModel of this size; take a Whisper as published"
            )
        if tensors[name].shape != expected[name]:
            raise ConversionError(
                f"the tensor {name} has the shape {tensors[name].shape} instead of {expected[name]}; take a Whisper as "
                "published"
            )
        if not np.isfinite(tensors[name]).all():
            raise ConversionError(
                f"the tensor {name} has values that are not finite in half precision; copy the file again"
            )


def main() -> int:
    """Converts and prints the number of tensors, and of those that differ from `--compare`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", required=True, help="folder, or hub name")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    parser.add_argument("--compare", type=Path, help="tensors.json of another folder")
    parser.add_argument(
        "--original",
        type=Path,
        help="tensors.json of a folder made from OpenAI's own files, to be compared with",
    )
    options = parser.parse_args()
    original = json.loads(options.original.read_text(encoding="utf-8")) if options.original else None
    try:
        sums = convert(options.source, options.output, original)
    except (ConversionError, SorituneError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(sums)} tensors in {options.output}")
    failed = False
    for file in filter(None, (options.compare, options.original)):
        others = json.loads(file.read_text(encoding="utf-8"))
        differing = sorted(name for name in {*sums, *others} if sums.get(name) != others.get(name))
        print(
            f"{len(differing)} tensors differ from {file}" + (f", first {differing[0]}" if differing else "")
        )
        failed = failed or bool(differing)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
