"""Part of `two_checkouts.py`: runs a checkout's commands and reads their results as flat tables of values.

This file imports no soritune module: checkouts run as processes, and their files are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.numpy
from two_checkouts_inputs import CLIPS, COMMON, TRAININGS, Training

RECORDER = Path(__file__).with_name("two_checkouts_recorder.py")
FIGURES = Path(__file__).with_name("same_figures.py")
MODEL = "soritune/tiny-ko"
"""The packaged model."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
LEFT_OUT = {
    "created": "timestamp",
    "time": "timestamp",
    "seconds": "time taken",
    "audio_s_per_s": "speed",
    "steps_per_s": "speed",
    "data_wait": "speed",
    "versions": "versions of packages",
    "version": "version of soritune",
    "git_revision": "revision of the checkout",
}
"""Keys that are not compared at any depth, and what they hold."""

Values = dict[str, Any]
"""Path of a value → the value: a number, a text, true, false or null."""
Tables = dict[str, Values]
"""Name of a captured table → its values."""
Capture = dict[str, Tables]
"""Case → its tables."""
Cases = dict[str, Callable[[], Tables]]
"""Case → the function that runs it."""


class FailedError(Exception):
    """A command failed; the message has its last lines."""


@dataclass(frozen=True)
class Checkout:
    """A checkout and the folder of its runs."""

    name: str
    """"before" or "after"."""
    folder: Path
    runs: Path
    read: tuple[Path, ...] = ()
    """Runs of another checkout that this one reads."""

    def environment(self, threads: int = 1) -> dict[str, str]:
        """The environment of its processes: its own source, no GPU, no hub."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        fixed = {"PYTHONPATH": str(self.folder / "src"), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
        return kept | fixed | dict.fromkeys(THREADS, str(threads))

    def python(self, *arguments: str | Path, threads: int = 1) -> str:
        """Runs the interpreter and returns its standard output.

        Raises:
            FailedError: the exit code is not 0.
        """
        self.runs.mkdir(parents=True, exist_ok=True)
        process = subprocess.run(
            [sys.executable, "-W", "ignore", *map(str, arguments)],
            cwd=self.runs,
            env=self.environment(threads),
            capture_output=True,
            text=True,
        )
        if process.returncode:
            command = " ".join(map(str, arguments))
            raise FailedError(
                f"{command}\nexit code {process.returncode}: {(process.stdout + process.stderr)[-1500:]}"
            )
        return process.stdout

    def soritune(self, *arguments: str | Path) -> str:
        """Runs a command of soritune."""
        return self.python("-m", "soritune", *arguments)

    def describe(self) -> dict[str, Any]:
        """Its folder, its revision, and a digest of its current source.

        Raises:
            FailedError: its processes import soritune from elsewhere.
        """
        source = self.python("-c", "import soritune; print(soritune.__file__)").strip()
        if not Path(source).resolve().is_relative_to(self.folder.resolve()):
            raise FailedError(f"{self.folder} is not a checkout of soritune: its processes import {source}")
        git = ["git", "-C", str(self.folder), "rev-parse", "HEAD"]
        revision = subprocess.run(git, capture_output=True, text=True).stdout.strip()
        digest = hashlib.sha256()
        for path in sorted((self.folder / "src" / "soritune").rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(str(path.relative_to(self.folder)).encode() + b"\0" + path.read_bytes())
        return {"folder": str(self.folder), "revision": revision or None, "source": digest.hexdigest()}

    def flat(self, value: Any) -> Values:
        """JSON as a flat table without the keys of `LEFT_OUT`; folders of the checkout have neutral names."""
        return {path: self.neutral(leaf) for path, leaf in _leaves(value, "")}

    def neutral(self, value: Any) -> Any:
        """A value in which the folders of the checkout have neutral names."""
        if not isinstance(value, str):
            return value
        for runs in (self.runs, *self.read):
            value = value.replace(str(runs), "RUNS")
        return value.replace(str(self.folder), "CHECKOUT")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list) and value:
        parts: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            if key not in LEFT_OUT:
                yield from _leaves(part, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run_cases(checkout: Checkout, part: str, cases: Cases, *, stop: bool) -> Capture:
    """Runs the cases of a part in their order.

    Args:
        checkout: named in the lines of progress.
        part: named in the lines of progress.
        cases: the cases to run.
        stop: raise FailedError at the first failed command instead of capturing its message.
    """
    capture: Capture = {}
    for name, run in cases.items():
        started = time.perf_counter()
        try:
            capture[name] = run()
        except FailedError as error:
            if stop:
                raise
            capture[name] = {"failed command": {"message": checkout.neutral(str(error))}}
        seconds = time.perf_counter() - started
        print(f"{checkout.name:6}  {part:12}  {name:44} {seconds:6.1f} s", file=sys.stderr, flush=True)
    return capture


# ------------------------------------------------------------------------------------------ predictions


def prediction_cases(checkout: Checkout, inputs: Path) -> Cases:
    """The packaged model on the real clips: `evaluate`, and `predict` of its manifest, of files and of a long file."""
    output, rows = checkout.runs / "evaluated", checkout.runs / "predictions.jsonl"

    def evaluate() -> Tables:
        corpus = ("--data", inputs / "real.jsonl", "--source", "manifest")
        printed = checkout.soritune(
            "evaluate", MODEL, *corpus, "--output", output, "--device", "cpu", "--no-audio", "--json"
        )
        return {**_with_header(checkout, json.loads(printed), "printed scores"), **_scores(checkout, output)}

    def predict() -> Tables:
        manifest = output / "manifest.parquet"
        checkout.soritune("predict", "-b", MODEL, "--manifest", manifest, "-o", rows, "--device", "cpu")
        return _rows(checkout, rows, rows.name)

    return {
        "evaluate": evaluate,
        "predict --manifest": predict,
        "predict files": partial(_predict, checkout, inputs, MODEL),
    }


def _scores(checkout: Checkout, run: Path) -> Tables:
    """Scores and predictions of an evaluated folder."""
    tables: Tables = {}
    for path in sorted(run.glob("scores*.json")):
        tables |= _with_header(checkout, read_json(path), path.name)
    for path in sorted((run / "predictions").glob("*.jsonl")):
        tables |= _rows(checkout, path, f"predictions/{path.name}")
    return tables


def _with_header(checkout: Checkout, scores: dict[str, Any], name: str) -> Tables:
    """Separates scores and the description of the model, so that their changes are distinguished."""
    header = scores.pop("header", None)
    return {name: checkout.flat(scores), f"{name}, header": checkout.flat(header)}


def _rows(checkout: Checkout, path: Path, name: str) -> Tables:
    beside = path.with_suffix(".header.json")
    header, *rows = [*([read_json(beside)] if beside.exists() else []), *read_lines(path)]
    header.pop("num_rows", None)  # of a header in a file of its own
    return {name: checkout.flat(rows), f"{name}, header": checkout.flat(header)}


def _predict(checkout: Checkout, inputs: Path, *bundles: Path | str) -> Tables:
    """The output of `predict --json` for a few toy clips and, if the corpus is given, real clips."""
    clips = [inputs / name for name in CLIPS]
    if (inputs / "real.jsonl").exists():
        clips += [Path(row["audio"]) for row in read_lines(inputs / "real.jsonl")[:10]]
    chosen = [part for bundle in bundles for part in ("-b", str(bundle))]
    printed = checkout.soritune("predict", *clips, *chosen, "--device", "cpu", "--json")
    return {"printed predictions": checkout.flat(json.loads(printed))}


# -------------------------------------------------------------------------------------------- gradients


def training_cases(checkout: Checkout, inputs: Path, names: Iterable[str]) -> Cases:
    """The toy trainings."""
    return {name: partial(_train, checkout, inputs, name, TRAININGS[name]) for name in names}


def _train(checkout: Checkout, inputs: Path, name: str, training: Training) -> Tables:
    """Trains a toy and reads its files: losses, gradients, weights of all bundles, predictions, scores."""
    run = run_of(checkout, name)
    record = run.with_name(f"{run.name}.json")
    if training.copied is not None:
        shutil.copytree(inputs / training.copied, checkout.runs / training.copied)
    for command in training.before:
        checkout.soritune(*_filled(command.split(), checkout, inputs))
    recipe, *arguments = _filled((training.recipe, *training.arguments), checkout, inputs)
    checkout.python(
        RECORDER, record, "gradients", "run", recipe, *arguments, *COMMON, "--output", run, "--json"
    )
    gradients = read_json(record)
    if not gradients:
        raise FailedError(f"{name}: no optimizer step was recorded; torch's hooks were not called")
    weights: Values = {}
    for path in sorted(run.glob("bundles/*/*.safetensors")):
        for tensor, value in sorted(safetensors.numpy.load_file(path).items()):
            digest = hashlib.sha256(value.tobytes()).hexdigest()
            weights[f"{path.relative_to(run / 'bundles')} {tensor}"] = f"{value.shape} {value.dtype} {digest}"
    tables = {
        "gradients": gradients,
        "train.jsonl": checkout.flat(read_lines(run / "train.jsonl")),
        "weights of bundles": weights,
        **_scores(checkout, run),
    }
    if training.audio is not None:
        tables["audio files"] = _audio(checkout.runs / training.audio)
    return tables


def run_of(checkout: Checkout, name: str) -> Path:
    """The folder of a toy training."""
    return checkout.runs / name.replace(" ", "_")


def _filled(arguments: Iterable[str], checkout: Checkout, inputs: Path) -> list[str]:
    return [
        argument.replace("{inputs}", str(inputs)).replace("{runs}", str(checkout.runs))
        for argument in arguments
    ]


def _audio(folder: Path) -> Values:
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".wav", ".flac")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# ---------------------------------------------------------------------------------------------- bundles


def bundle_cases(checkout: Checkout, inputs: Path, first: Checkout, names: Iterable[str]) -> Cases:
    """Bundles that the first checkout wrote, opened by `checkout`: predictions, and trainings that start from them."""
    written = {name: run_of(first, name) / "bundles" / "last" for name in names}
    bundles: dict[str, tuple[Path, ...]] = {
        f"packaged {folder.name}": (folder,) for folder in _packaged(first)
    }
    bundles |= {name: (folder,) for name, folder in written.items()}
    pair = ("emotion-3class", "emotion-3class group-norm")
    if set(pair) <= set(written):
        bundles["two averaged"] = tuple(written[name] for name in pair)
    cases: Cases = {}
    for name, folders in bundles.items():
        kinds = " + ".join(str(read_json(folder / "soritune.json")["kind"]) for folder in folders)
        cases[f"{name} ({kinds})"] = partial(_predict, checkout, inputs, *folders)
    for name, start in (("child-phoneme-full", "child-phoneme"), ("emotion-4class", "emotion-3class")):
        if start in written:
            more = (*TRAININGS[name].arguments, f"model.init_from={written[start]}")
            case = f"{name} started from {start}"
            cases[case] = partial(_train, checkout, inputs, case, Training(name, more))
    return cases


def _packaged(first: Checkout) -> list[Path]:
    """Copies of the models in the first checkout's package."""
    copies = first.runs.parent / "packaged"
    if not copies.exists():
        for card in sorted((first.folder / "src").rglob("pretrained/*/soritune.json")):
            shutil.copytree(card.parent, copies / card.parent.name)
    return sorted(copies.iterdir()) if copies.exists() else []


# ----------------------------------------------------------------------------------------- same-figures


def figure_cases(checkout: Checkout, data: Path, only: str | None) -> Cases:
    """`same_figures.py` with the commands of the checkout."""

    def run() -> Tables:
        work = checkout.runs / "same-figures"
        chosen = () if only is None else ("--only", only)
        printed = checkout.python(FIGURES, data, MODEL, "--work", work, *chosen)
        lines = [line.split("\t") for line in printed.splitlines()]
        tables = {"printed figures": {" ".join(line[:2]): line[2:] for line in lines}}
        for path in sorted(work.rglob("scores.json")):
            rates = {name: task["rates"] for name, task in read_json(path)["tasks"].items()}
            tables[f"rates of {path.parent.name}"] = checkout.flat(rates)
        return tables

    return {only or "phones and emotion": run}
