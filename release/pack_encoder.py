"""Makes the model that comes with the package out of a bundle that the recipe `bundled-encoder` left.

    python release/pack_encoder.py RUN/bundles/best_phoneme_per

Weights become half precision and the card is written anew: what is in it is named below, so that nothing of the
machine that trained it goes along. README.md of the folder is written by people and stays. When the bundle lies in
its run, the card also says how many hours of each corpus there were.
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
"""The one task that is kept."""
CORPORA = {
    "synthetic": "speech of `soritune synthesize`, free to use",
    "speechocean762": "read English of Mandarin speakers, CC BY 4.0, https://www.openslr.org/101",
}
"""What a published model may be trained on, and under what terms. Names of sources begin with these."""
LONGEST_S = 8.0
"""What is longer goes through the model by windows: 99 % of the training speech was shorter, and over more it fails."""
SAME_MACHINE = ("recipe_name", "seed", "licence", "created", "version", "inputs")
"""Parts of a card that say nothing of a machine and are taken over as they are."""
LARGEST_BYTES = 12_000_000
"""Of the folder."""
LOCAL = re.compile(r"(?<![\w.:/<])(/|[A-Za-z]:\\|~/|\.\./)[\w.-]")
"""Begins a path of somebody's machine; addresses and `a/b` are none."""


def pack(source: Path | str, target: Path | str) -> Bundle:
    """Writes `target` out of the bundle `source`.

    Raises:
        ValueError: a bundle that is not such a model, or a folder that would not do.
        SorituneError: no bundle there, or a place that cannot be written to.
    """
    bundle, folder = load_bundle(source), Path(target)
    if bundle.is_adapter or bundle.outputs[0].name != TASK:
        raise ValueError(f"{bundle.path} is no full bundle whose first output is {TASK}")
    readme = next(
        (place for place in (folder, PACKAGED_FOLDER / folder.name) if (place / "README.md").is_file()), None
    )
    with tempfile.TemporaryDirectory(dir=_made(folder.parent)) as space:
        made = write_bundle(
            Path(space) / folder.name,
            weights=_half(bundle),
            card=_card(bundle, folder.name),
            json_files=_json_files(bundle),
            readme=(readme / "README.md").read_text(encoding="utf-8") if readme else None,
        )
        for file in made.path.iterdir():
            file.chmod(0o644)  # goes into the wheel as it is, and is read by whoever installs that
        check(made.path)
        shutil.rmtree(folder, ignore_errors=True)
        made.path.replace(folder)
    return load_bundle(folder)


def check(folder: Path) -> None:
    """Looks at a packed folder as if somebody else had made it.

    Raises:
        ValueError: too large, weights of another kind, or a path in a file of text.
    """
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > LARGEST_BYTES:
        raise ValueError(f"{folder} has {size:,} bytes; at most {LARGEST_BYTES:,} go into the package")
    odd = {name for name, value in load_bundle(folder).weights().items() if value.dtype != np.float16}
    if odd:
        raise ValueError(f"{folder}: {min(odd)} and {len(odd) - 1} more weights are not in half precision")
    for file in sorted(folder.iterdir()):
        if file.suffix == ".safetensors":
            continue
        found = LOCAL.search(file.read_text(encoding="utf-8"))
        if found:
            line = file.read_text(encoding="utf-8")[: found.start()].count("\n") + 1
            raise ValueError(f"{file.name} line {line} holds a path of a machine ({found.group()}…)")


def _half(bundle: Bundle) -> dict[str, NDArray[np.float16]]:
    """The encoder and the kept head in half precision."""
    halves = {}
    for name, value in bundle.weights().items():
        if name.startswith("heads."):
            continue  # the kept one has the names of transformers
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
    """Training read phones that the synthesiser wrote; other people's rows have a text."""
    return {"name": task["name"], "config": {**task["config"], "source": "auto"}}


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    """config.json; transformers takes the precision of the file where this does not say, and runs in it."""
    return {**config, "dtype": "float32"}


def _json_files(bundle: Bundle) -> dict[str, Any]:
    names = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json")
    files = {name: json.loads((bundle.path / name).read_text(encoding="utf-8")) for name in names}
    return {**files, "config.json": _config(files["config.json"])}


def _recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved recipe without where its corpora lay."""
    data = {key: value for key, value in recipe["data"].items() if key not in ("root", "config")}
    return {**recipe, "data": data}


def _data(bundle: Bundle) -> dict[str, Any]:
    data = bundle.card["data"]
    found: dict[str, Any] = {
        "manifest_hash": data["manifest_hash"],
        "split": data["split"],
        "sources": sorted({corpus_of(name) for name in data["sources"]}),
        "hours": data["hours"],
        "synthetic": data["synthetic"],
    }
    found["corpora"] = {name: CORPORA[name] for name in found["sources"]}
    hours = _hours_by_corpus(bundle)
    return {**found, "train_hours_by_source": hours} if hours else found


def corpus_of(source: str) -> str:
    """The corpus behind the name of a source, which may be that of somebody's folder.

    Raises:
        ValueError: none that a published model may be trained on.
    """
    corpus = next((name for name in CORPORA if re.fullmatch(rf"{name}(_\w+)?", source)), None)
    if corpus is None:
        raise ValueError(f"the model was trained on '{source}', whose terms are not known here")
    return corpus


def _hours_by_corpus(bundle: Bundle) -> dict[str, float]:
    """Of the training split; nothing where the bundle does not lie in its run."""
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
    """Steps, phase and averaging; of the values on validation those of the kept task."""
    kept = {key: value for key, value in training.items() if key != "metrics"}
    metrics = {
        name: value for name, value in training.get("metrics", {}).items() if name.startswith(f"{TASK}/")
    }
    return {**kept, "metrics": metrics}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    """Packs, and says what came out."""
    parser = argparse.ArgumentParser(
        description="Make the model that comes with the package out of a bundle."
    )
    parser.add_argument("bundle", type=Path, help="a bundle of the recipe bundled-encoder")
    parser.add_argument("--out", type=Path, default=PACKAGED_FOLDER / "tiny-ko", help="folder to write")
    given = parser.parse_args()
    try:
        made = pack(given.bundle, given.out)
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
    size = sum(file.stat().st_size for file in made.path.iterdir())
    print(made)
    print(f"{made.path}: {size:,} bytes in {len(list(made.path.iterdir()))} files")


if __name__ == "__main__":
    main()
