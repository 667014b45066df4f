"""A bundle written again with its weights stored in another way: `pack_bundle` as int8, `unpack_bundle` in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from soritune.bundles.card import CARD_FILE, INT8, WEIGHTS_FORMAT, Bundle
from soritune.bundles.read import load_bundle
from soritune.bundles.write import write_bundle
from soritune.errors import BundleError

WRITTEN_ANEW = (CARD_FILE, "README.md")


def pack_bundle(source: Path | str, target: Path | str) -> Bundle:
    """Writes the bundle `source` to the folder `target` with int8 weights, about a quarter of the size.

    Raises:
        BundleError: it is not a full bundle, or its weights cannot be stored so.
        OutputError: the folder cannot be written.
    """
    return _written(load_bundle(source), Path(target), INT8)


def unpack_bundle(source: Path | str, target: Path | str) -> Bundle:
    """Writes the bundle `source` to the folder `target` with float32 weights, which transformers and peft open.

    Takes bundles with int8 or half-precision weights, and names of models of the package.

    Raises:
        BundleError: it is not a full bundle.
        OutputError: the folder cannot be written.
    """
    return _written(load_bundle(source), Path(target), None)


def _written(bundle: Bundle, target: Path, weights_format: str | None) -> Bundle:
    if bundle.is_adapter:
        raise BundleError(
            f"{bundle.path} has adapters only, which are small; give the folder of a full bundle"
        )
    if target.resolve() == bundle.path.resolve():
        raise BundleError(f"{target} is the bundle itself; give another folder for the result")
    # Links are left out: a bundle of a stranger could point anywhere.
    files = {
        file.relative_to(bundle.path).as_posix(): file
        for file in bundle.path.rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    left_out = (*WRITTEN_ANEW, bundle.weights_path.name)
    readme = files.get("README.md")
    texts = {name: _text(file) for name, file in files.items() if name not in left_out}
    weights = {name: value.astype(np.float32) for name, value in bundle.weights().items()}
    try:
        return write_bundle(
            target,
            weights=weights,
            card={**bundle.card, WEIGHTS_FORMAT: weights_format},
            json_files={},
            text_files=texts,
            readme=_text(readme) if readme else None,
        )
    except ValueError as error:
        raise BundleError(f"the weights of {bundle.path} cannot be packed: {error}") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(
            f"{file} is not a text, and a bundle has texts beside its weights; move it out of the folder"
        ) from error
