r"""Makes a model of the package from a bundle with a phoneme head.

    python release/pack_bundle.py RUN/bundles/best_phoneme_per src/soritune/pretrained/tiny-ko
    python release/pack_bundle.py RUN/bundles/best_phoneme_per src/soritune/pretrained/NAME --int8 \
        --encoder-from openai/whisper-base

Stores the weights in half precision, or as int8, and writes a new card from an explicit list of fields, so that it
holds no data of the training machine. README.md of the folder is written by hand and kept. If the bundle is in its run
folder, the card also states the training hours of each corpus. Prints the sizes, and by how much the log-probabilities
of a few clips changed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from soritune.bundles.card import INT8, WEIGHTS_FORMAT, Bundle
from soritune.bundles.int8_weights import SCALE
from soritune.bundles.measured import measured_from_json
from soritune.bundles.notice import notice_section
from soritune.bundles.packaged import PACKAGED, PACKAGED_FOLDER
from soritune.bundles.read import load_bundle
from soritune.bundles.write import write_bundle
from soritune.corpus.manifest import load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.inference.predictor import Predictor
from soritune.run_folder import run_of

TASK = "phoneme"
"""The only task that is kept."""
CORPORA = {
    "synthetic": "speech of `soritune synthesize`, free to use",
    "speechocean762": "read English of Mandarin speakers, CC BY 4.0, https://www.openslr.org/101",
}
"""Corpora that a published model may be trained on, with their terms. Names of sources begin with these names."""
LONGEST_S = 8.0
"""Longer audio is processed in windows: 99 % of the training speech of `tiny-ko` was shorter, and it fails on more."""
SAME_MACHINE = ("recipe_name", "seed", "licence", "notice", "created", "version", "inputs")
"""Fields of a card without data of a machine, which are copied unchanged."""
LARGEST_BYTES = {None: 12_000_000, INT8: 25_000_000}
"""Largest size of the folder by format of the weights."""
DRAWN_CLIPS_S = (1.0, 3.0, 8.0)
"""Clips of drawn noise that are compared if none are given."""
RATE_HZ = 16_000
LOCAL = re.compile(r"(?<![\w.:/<])(/|[A-Za-z]:\\|~/|\.\./)[\w.-]")
"""Start of a path of a machine; URLs and relative paths such as `a/b` do not match."""


def pack(
    source: Path | str,
    target: Path | str,
    *,
    weights_format: str | None = None,
    encoder_from: str | None = None,
    measured: Sequence[Mapping[str, Any]] = (),
    longest_s: float = LONGEST_S,
) -> Bundle:
    """Writes `target` from the bundle `source`.

    Args:
        source: a full bundle whose first output is `TASK`.
        target: folder to write; its README.md is kept.
        weights_format: None for half precision, or `INT8`.
        encoder_from: published name of the weights that the encoder's training started from; needed unless they were
            random.
        measured: error rates for the card (`bundles/measured.py`).
        longest_s: longer audio is processed in windows.

    Raises:
        ValueError: the bundle is not such a model, or the packed folder fails `check`.
        SorituneError: `source` is not a bundle, or `target` cannot be written to.
    """
    bundle, folder = load_bundle(source), Path(target)
    if bundle.is_adapter or bundle.outputs[0].name != TASK:
        raise ValueError(f"{bundle.path} is not a full bundle whose first output is {TASK}")
    if encoder_from is None and not bundle.card["model"].get("random_weights"):
        raise ValueError("the encoder did not start from random weights; name its start with --encoder-from")
    readme = next(
        (path for path in (folder, PACKAGED_FOLDER / folder.name) if (path / "README.md").is_file()), None
    )
    text = (readme / "README.md").read_text(encoding="utf-8") if readme else None
    notice = notice_section(bundle.card)
    if text is not None and notice and notice not in text:
        text = f"{text.rstrip()}\n\n{notice}\n"
    card = _card(bundle, folder.name, encoder_from or "random weights", longest_s)
    if measured:
        card["measured"] = [dict(entry) for entry in measured]
        measured_from_json(card["measured"])
    weights = _kept_weights(bundle)
    with tempfile.TemporaryDirectory(dir=_created(folder.parent)) as temporary:
        packed = write_bundle(
            Path(temporary) / folder.name,
            weights=_half(weights) if weights_format is None else weights,
            card={**card, WEIGHTS_FORMAT: weights_format},
            json_files=_json_files(bundle),
            readme=text,
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
    bundle = load_bundle(folder)
    size, largest = folder_size(folder), LARGEST_BYTES[bundle.card.get(WEIGHTS_FORMAT)]
    if size > largest:
        raise ValueError(f"{folder} has {size:,} bytes; at most {largest:,} are allowed in the package")
    odd = {
        name
        for name, value in load_file(bundle.weights_path).items()
        if value.dtype != np.float16
        and not (bundle.is_int8 and value.dtype == (np.float32 if name.endswith(SCALE) else np.int8))
    }
    if odd:
        raise ValueError(f"{folder}: {min(odd)} and {len(odd) - 1} more weights are not in half precision")
    for file in sorted(folder.iterdir()):
        if file.suffix == ".safetensors":
            continue
        match = LOCAL.search(file.read_text(encoding="utf-8"))
        if match:
            line = file.read_text(encoding="utf-8")[: match.start()].count("\n") + 1
            raise ValueError(f"{file.name} line {line} contains a path of a machine ({match.group()}…)")


def folder_size(folder: Path) -> int:
    """Bytes of its files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def changes(before: Path, after: Path, clips: Sequence[Path] = ()) -> tuple[float, float]:
    """What packing changed: the largest change of a log-probability, and the share of frames with the same best label.

    Args:
        before, after: bundles with the output `TASK`.
        clips: audio files; without them drawn noise is used.
    """
    items: list[Any] = list(clips) or [
        (np.random.default_rng(number).normal(0, 0.1, round(RATE_HZ * seconds)).astype(np.float32), RATE_HZ)
        for number, seconds in enumerate(DRAWN_CLIPS_S)
    ]
    rows = [
        [
            posteriors.outputs[TASK]
            for posteriors in Predictor.load(path, device="cpu", vad="off").posteriors(items)
        ]
        for path in (before, after)
    ]
    largest = max(float(np.abs(a - b).max()) for a, b in zip(*rows, strict=True))
    same = np.concatenate([a.argmax(-1) == b.argmax(-1) for a, b in zip(*rows, strict=True)])
    return largest, float(same.mean())


def _kept_weights(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    """The encoder and the kept head; the head has names of its own if transformers has no class with such a head."""
    return {
        name: value.astype(np.float32)
        for name, value in bundle.weights().items()
        if not name.startswith("heads.") or name.startswith(f"heads.{TASK}.")
    }


def _half(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float16]]:
    halves = {}
    for name, value in weights.items():
        half = value.astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"{name} does not fit into half precision")
        halves[name] = half
    return halves


def _card(bundle: Bundle, name: str, encoder_from: str, longest_s: float) -> dict[str, Any]:
    card = bundle.card
    tasks = [_portable_task(task) for task in card["tasks"] if task["name"] == TASK]
    encoder = {key: value for key, value in card["encoder"].items() if key != "source"}
    is_random = bool(card["model"].get("random_weights"))
    return {
        "kind": "full",
        "name": PACKAGED + name,
        **{key: card[key] for key in SAME_MACHINE if key in card},
        "versions": dict(card["versions"]),
        "preprocessing": {**card["preprocessing"], "max_duration_s": longest_s},
        "tasks": tasks,
        "outputs": [output for output in card["outputs"] if output["name"] == TASK],
        "encoder": {**encoder, "source": encoder_from, "config": _config(encoder["config"])},
        "model": {**card["model"], "encoder": PACKAGED + name, "init_from": None, "base": None},
        "recipe": _recipe(card["recipe"], None if is_random else encoder_from),
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
    files = {
        name: json.loads((bundle.path / name).read_text(encoding="utf-8"))
        for name in names
        if (bundle.path / name).is_file()
    }
    return {**files, "config.json": _config(files["config.json"])}


def _recipe(recipe: Mapping[str, Any], encoder_from: str | None) -> dict[str, Any]:
    """The resolved recipe without the locations of its corpora and of its start."""
    data = {key: value for key, value in recipe["data"].items() if key not in ("root", "config")}
    stored = recipe.get("batches", {}).get("encoder_states")
    if stored is not None:
        recipe = {**recipe, "batches": {**recipe["batches"], "encoder_states": {**stored, "folder": None}}}
    if encoder_from is None:
        return {**recipe, "data": data}
    model = {**recipe.get("model", {}), "encoder": encoder_from, "init_from": None, "base": None}
    return {**recipe, "data": data, "model": model}


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
    parser = argparse.ArgumentParser(description="Make a model of the package from a bundle.")
    parser.add_argument("bundle", type=Path, help="a full bundle whose first output is phoneme")
    parser.add_argument("target", type=Path, help="folder to write; its name is that of the model")
    parser.add_argument("--int8", action="store_true", help="store large weights as int8 per output channel")
    parser.add_argument("--encoder-from", help="published name of the weights that the training started from")
    parser.add_argument("--measured", type=Path, help="JSON list of error rates for the card")
    parser.add_argument(
        "--longest-s", type=float, default=LONGEST_S, help="longer audio is processed in windows"
    )
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="audio files to compare on")
    options = parser.parse_args()
    try:
        measured = json.loads(options.measured.read_text(encoding="utf-8")) if options.measured else ()
        packed = pack(
            options.bundle,
            options.target,
            weights_format=INT8 if options.int8 else None,
            encoder_from=options.encoder_from,
            measured=measured,
            longest_s=options.longest_s,
        )
        largest, same = changes(options.bundle, packed.path, options.clips)
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(packed)
    print(f"{options.bundle}: {folder_size(options.bundle):,} bytes")
    print(f"{packed.path}: {folder_size(packed.path):,} bytes in {len(list(packed.path.iterdir()))} files")
    print(
        f"largest change of a log-probability: {largest:.4f}; frames with the same label: {100 * same:.1f} %"
    )


if __name__ == "__main__":
    main()
