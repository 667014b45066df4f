"""Makes the packaged model from a bundle of the recipe `bundled-encoder`.

    python release/pack_encoder.py RUN/bundles/best_phoneme_per

Converts the weights to half precision and writes a new card from an explicit list of fields, so that it holds
no data of the training machine. README.md of the folder is written by hand and kept. If the bundle is in its
run folder, the card also states the training hours of each corpus.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soritune.bundles.card import Bundle
from soritune.bundles.packaged import PACKAGED, PACKAGED_FOLDER
from soritune.bundles.read import load_bundle
from soritune.bundles.write import write_bundle
from soritune.corpus.manifest import load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.run_folder import run_of

TASK = "phoneme"
"""The only task that is kept."""
CORPORA = {
    "synthetic": "speech of `soritune synthesize`, free to use",
    "speechocean762": "read English of Mandarin speakers, CC BY 4.0, https://www.openslr.org/101",
}
"""Corpora that a published model may be trained on, with their terms. Names of sources begin with these names."""
LONGEST_S = 8.0
"""Longer audio is processed in windows: 99 % of the training speech was shorter, and the model fails on more."""
SAME_MACHINE = ("recipe_name", "seed", "licence", "created", "version", "inputs")
"""Fields of a card without data of a machine, which are copied unchanged."""
LARGEST_BYTES = 12_000_000
"""Largest size of the folder."""
LOCAL = re.compile(r"(?<![\w.:/<])(/|[A-Za-z]:\\|~/|\.\./)[\w.-]")
"""Start of a path of a machine; URLs and relative paths such as `a/b` do not match."""


def pack(source: Path | str, target: Path | str) -> Bundle:
    """Writes `target` from the bundle `source`.

    Raises:
        ValueError: the bundle is not such a model, or the packed folder fails `check`.
        SorituneError: `source` is not a bundle, or `target` cannot be written to.
    """
    bundle, folder = load_bundle(source), Path(target)
    if bundle.is_adapter or bundle.outputs[0].name != TASK:
        raise ValueError(f"{bundle.path} is not a full bundle whose first output is {TASK}")
    readme = next(
        (path for path in (folder, PACKAGED_FOLDER / folder.name) if (path / "README.md").is_file()), None
    )
    with tempfile.TemporaryDirectory(dir=_created(folder.parent)) as temporary:
        packed = write_bundle(
            Path(temporary) / folder.name,
            weights=_half(bundle),
            card=_card(bundle, folder.name),
            json_files=_json_files(bundle),
            readme=(readme / "README.md").read_text(encoding="utf-8") if readme else None,
        )
        for file in packed.path.iterdir():
            file.chmod(0o644)  # the wheel keeps the mode, and every user must be able to read the file
        check(packed.path)
        shutil.rmtree(folder, ignore_errors=True)
        packed.path.replace(folder)
    return load_bundle(folder)


def check(folder: Path) -> None:
    """Checks a packed folder independently of how it was written.

    Raises:
        ValueError: it is too large, has weights of another type, or a text file contains a path of a machine.
    """
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > LARGEST_BYTES:
        raise ValueError(f"{folder} has {size:,} bytes; at most {LARGEST_BYTES:,} are allowed in the package")
    odd = {name for name, value in load_bundle(folder).weights().items() if value.dtype != np.float16}
    if odd:
        raise ValueError(f"{folder}: {min(odd)} and {len(odd) - 1} more weights are not in half precision")
    for file in sorted(folder.iterdir()):
        if file.suffix == ".safetensors":
            continue
        match = LOCAL.search(file.read_text(encoding="utf-8"))
        if match:
            line = file.read_text(encoding="utf-8")[: match.start()].count("\n") + 1
            raise ValueError(f"{file.name} line {line} contains a path of a machine ({match.group()}…)")


def _half(bundle: Bundle) -> dict[str, NDArray[np.float16]]:
    """The encoder and the kept head in half precision."""
    halves = {}
    for name, value in bundle.weights().items():
        if name.startswith("heads."):
            continue  # the kept head has the names of transformers
        half = value.astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"{name} does not fit into half precision")
        halves[name] = half
    return halves


def _card(bundle: Bundle, name: str) -> dict[str, Any]:
    card = bundle.card
    tasks = [_portable_task(task) for task in card["tasks"] if task["name"] == TASK]
    encoder = {key: value for key, value in card["encoder"].items() if key != "source"}
    return {
        "kind": "full",
        "name": PACKAGED + name,
        **{key: card[key] for key in SAME_MACHINE if key in card},
        "versions": dict(card["versions"]),
        "preprocessing": {**card["preprocessing"], "max_duration_s": LONGEST_S},
        "tasks": tasks,
        "outputs": [output for output in card["outputs"] if output["name"] == TASK],
        "encoder": {**encoder, "source": "random weights", "config": _config(encoder["config"])},
        "model": {**card["model"], "encoder": PACKAGED + name},
        "recipe": _recipe(card["recipe"]),
        "data": _data(bundle),
        "training": _training(card["training"]),
    }


def _portable_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """The task reads phones from the text too: training rows had phones of the synthesiser, users' rows have a text."""
    return {"name": task["name"], "config": {**task["config"], "source": "auto"}}


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    """config.json with its precision; without it transformers would compute in the precision of the weights file."""
    return {**config, "dtype": "float32"}


def _json_files(bundle: Bundle) -> dict[str, Any]:
    names = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json")
    files = {name: json.loads((bundle.path / name).read_text(encoding="utf-8")) for name in names}
    return {**files, "config.json": _config(files["config.json"])}


def _recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved recipe without the locations of its corpora."""
    data = {key: value for key, value in recipe["data"].items() if key not in ("root", "config")}
    return {**recipe, "data": data}


def _data(bundle: Bundle) -> dict[str, Any]:
    data = bundle.card["data"]
    facts: dict[str, Any] = {
        "manifest_hash": data["manifest_hash"],
        "split": data["split"],
        "sources": sorted({corpus_of(name) for name in data["sources"]}),
        "hours": data["hours"],
        "synthetic": data["synthetic"],
    }
    facts["corpora"] = {name: CORPORA[name] for name in facts["sources"]}
    hours = _hours_by_corpus(bundle)
    return {**facts, "train_hours_by_source": hours} if hours else facts


def corpus_of(source: str) -> str:
    """The corpus of a source, whose name may be that of a local folder.

    Raises:
        ValueError: it is not a corpus that a published model may be trained on.
    """
    corpus = next((name for name in CORPORA if re.fullmatch(rf"{name}(_\w+)?", source)), None)
    if corpus is None:
        raise ValueError(f"the model was trained on '{source}', whose terms are unknown")
    return corpus


def _hours_by_corpus(bundle: Bundle) -> dict[str, float]:
    """Training hours per corpus; empty if the bundle is not in its run folder."""
    run = run_of(bundle.path)
    if run is None or not (run / "checked.parquet").is_file():
        return {}
    rows = load_manifest(run / "checked.parquet")
    rows = rows.select(load_splits(run / "splits.parquet").indices(rows, "train"))
    hours: dict[str, float] = {}
    for source, duration_s in zip(
        rows.column("source").to_pylist(), rows.column("duration_s").to_pylist(), strict=True
    ):
        corpus = corpus_of(str(source))
        hours[corpus] = hours.get(corpus, 0.0) + duration_s / 3600
    return {name: round(value, 3) for name, value in sorted(hours.items())}


def _training(training: Mapping[str, Any]) -> dict[str, Any]:
    """Steps, phase and averaging; of the validation metrics only those of the kept task."""
    kept = {key: value for key, value in training.items() if key != "metrics"}
    metrics = {
        name: value for name, value in training.get("metrics", {}).items() if name.startswith(f"{TASK}/")
    }
    return {**kept, "metrics": metrics}


def _created(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    """Packs a bundle and prints the result."""
    parser = argparse.ArgumentParser(description="Make the packaged model from a bundle.")
    parser.add_argument("bundle", type=Path, help="a bundle of the recipe bundled-encoder")
    parser.add_argument("--out", type=Path, default=PACKAGED_FOLDER / "tiny-ko", help="folder to write")
    options = parser.parse_args()
    try:
        packed = pack(options.bundle, options.out)
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
    size = sum(file.stat().st_size for file in packed.path.iterdir())
    print(packed)
    print(f"{packed.path}: {size:,} bytes in {len(list(packed.path.iterdir()))} files")


if __name__ == "__main__":
    main()
