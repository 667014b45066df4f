"""How a run lies on disk, and which bundle of it is meant. No other file spells out the names of a run's files.

RUN/recipe.yaml            the recipe with all its settings
RUN/data.jsonl             rows that were given in Python instead of a corpus
RUN/manifest.parquet       the corpus as it was read; quarantine.jsonl has what was left out
RUN/checked.parquet        the rows that can be used
RUN/splits.parquet         train, val and test of them
RUN/train.jsonl, train.log events of the training; the same for people; tensorboard/ when asked for
RUN/checkpoints/step-N/    what a resumed training starts from
RUN/bundles/NAME/          models; those of phases before the last begin with phase1_, phase2_ …
RUN/predictions/SPLIT.jsonl, RUN/scores.json, RUN/report.html, RUN/report.txt
RUN/evaluation/DATA/       the same files for data that is not the run's own
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soritune.bundles.packaged import resolve_model_folder
from soritune.bundles.read import is_bundle, load_bundle
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.splits import Splits, load_splits
from soritune.errors import BundleError, SplitError, UnknownNameError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of the files of a run; nothing is opened or made."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe with all its settings."""
        return self.path / "recipe.yaml"

    @property
    def given_rows(self) -> Path:
        """Rows that were given in Python instead of a corpus."""
        return self.path / "data.jsonl"

    @property
    def manifest(self) -> Path:
        """The corpus as it was read."""
        return self.path / "manifest.parquet"

    @property
    def checked(self) -> Path:
        """The rows that can be used."""
        return self.path / "checked.parquet"

    @property
    def splits(self) -> Path:
        """Which row is in which split."""
        return self.path / "splits.parquet"

    @property
    def quarantine(self) -> Path:
        """Rows that were left out, with reasons."""
        return self.path / "quarantine.jsonl"

    @property
    def events(self) -> Path:
        """Events of the training, one JSON object a line."""
        return self.path / "train.jsonl"

    @property
    def text_log(self) -> Path:
        """The same events for people."""
        return self.path / "train.log"

    @property
    def tensorboard(self) -> Path:
        """Event files of TensorBoard, when asked for."""
        return self.path / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def bundles(self) -> Path:
        """Folder of the models."""
        return self.path / "bundles"

    @property
    def has_checkpoint(self) -> bool:
        """Whether a training in the folder got as far as a checkpoint."""
        return any(self.checkpoints.glob("step-*"))

    def checkpoint(self, step: int, copy: int = 1) -> Path:
        """Folder of the checkpoint at a step; another one at the same step is copy 2, and so on."""
        return self.checkpoints / (f"step-{step}" if copy == 1 else f"step-{step}-{copy}")

    def best_weights(self, phase: int, step: int) -> Path:
        """The best weights of a phase, counted from 1, from which the next phase starts."""
        return self.checkpoints / f"best-phase{phase}-step-{step}.safetensors"

    def all_best_weights(self) -> list[Path]:
        """Every file that `best_weights` names."""
        return sorted(self.checkpoints.glob("best-*.safetensors"))

    def bundle(self, name: str) -> Path:
        """Folder of a model; the names of phases before the last begin with phase1_, phase2_ …"""
        return self.bundles / name

    def predictions(self, name: str) -> Path:
        """Predictions of a split, or of a split with a suffix."""
        return self.path / "predictions" / f"{name}.jsonl"

    def scores(self, suffix: str = "") -> Path:
        """Scores; `suffix` begins with a hyphen."""
        return self.path / f"scores{suffix}.json"

    def report(self, suffix: str = "") -> Path:
        """The report as a page; the same as text has the suffix .txt."""
        return self.path / f"report{suffix}.html"

    def evaluation(self, name: str) -> Path:
        """Folder for what is judged on data that is not the run's own."""
        return self.path / "evaluation" / name


def checkpoint_order(path: Path) -> tuple[int, int] | None:
    """(step, copy) from the name of a checkpoint's folder, by which checkpoints are ordered; None for other names."""
    match = re.fullmatch(r"step-(\d+)(?:-(\d+))?", path.name)
    return (int(match[1]), int(match[2] or 1)) if match else None


def is_run(path: Path | str) -> bool:
    """True for a folder that training wrote: it has `bundles/`."""
    folder = Path(path)
    return folder.is_dir() and not is_bundle(folder) and (folder / "bundles").is_dir()


def run_of(bundle: Path | str) -> Path | None:
    """The run folder that a bundle lies in, or None."""
    for place in (Path(bundle), Path(bundle).resolve()):
        run = place.parent.parent
        if place.parent.name == "bundles" and is_run(run):
            return run
    return None


def rows_seen(bundles: Iterable[Path | str], rows: Manifest) -> dict[str, int] | None:
    """How many of `rows` the models were trained on ("train") or chosen by ("val"), by id.

    A run's `splits.parquet` tells, whatever file the rows come from now. None where no bundle lies in a run
    that has one.
    """
    train, val = set[int](), set[int]()
    known = False
    for bundle in bundles:
        run = run_of(bundle)
        if run is None or not (run / "splits.parquet").is_file():
            continue
        try:
            splits = load_splits(run / "splits.parquet")
        except SplitError:
            continue
        known = True
        train |= _places(splits, rows, "train")
        val |= _places(splits, rows, "val")
    return {"train": len(train), "val": len(val - train)} if known else None


def _places(splits: Splits, rows: Manifest, split: str) -> set[int]:
    try:
        return set(np.asarray(splits.indices(rows, split)).tolist())
    except SplitError:  # no id in common: another corpus
        return set()


def bundle_names(run: Path | str) -> list[str]:
    """Names of the bundles of a run, sorted, epochs by number."""
    folders = (Path(run) / "bundles").iterdir()
    names = [folder.name for folder in folders if is_bundle(folder) and not folder.name.startswith(".")]
    return sorted(names, key=_by_number)


def _by_number(name: str) -> tuple[str, int, str]:
    """`epoch_2` before `epoch_10`."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number), name) if number.isdecimal() else (name, -1, name)


def choose_bundle(path: Path | str, checkpoint: str | None = None) -> Path:
    """The bundle folder to use.

    A bundle folder is itself. In a run folder it is `bundles/<checkpoint>`; without a name, the best by a
    task's primary metric where there is one such bundle, else `best_loss`, else `last`. Where only earlier phases
    of a recipe were trained, a name is that of the latest of them: `best_loss` is then `phase1_best_loss`.

    Raises:
        BundleError: neither a bundle nor a run, or a run without bundles.
        UnknownNameError: the run has no bundle of that name.
    """
    folder = resolve_model_folder(path)
    if is_bundle(folder):
        if checkpoint not in (None, "best"):
            raise BundleError(
                f"{folder} is a single bundle; --checkpoint chooses among the bundles of a run folder"
            )
        return folder
    if not is_run(folder):
        there = (
            "is no model: it has neither soritune.json nor bundles/" if folder.exists() else "is not there"
        )
        raise BundleError(f"{folder} {there}; give a bundle folder or a run folder")
    names = bundle_names(folder)
    if not names:
        raise BundleError(f"{folder} has no finished bundle under bundles/; training did not get that far")
    if checkpoint not in (None, "best"):
        found = _of_latest_phase(names, str(checkpoint))
        if found is None:
            raise UnknownNameError("checkpoint", str(checkpoint), ["best", *names])
        return folder / "bundles" / found
    first = load_bundle(folder / "bundles" / names[0]).tasks[0]
    for name in (f"best_{first.name}_{first.primary_metric.name}", "best_loss", "last"):
        found = _of_latest_phase(names, name)
        if found is not None:
            return folder / "bundles" / found
    return folder / "bundles" / names[0]


def _of_latest_phase(names: Iterable[str], name: str) -> str | None:
    """`name` itself, which belongs to the last phase of a recipe, or else that of the latest phase before it."""
    numbers = {
        int(found[1]): found[0]
        for one in names
        if (found := re.fullmatch(rf"phase(\d+)_{re.escape(name)}", one))
    }
    return name if name in names else numbers[max(numbers)] if numbers else None


def read_card(bundle: Path | str) -> dict[str, Any]:
    """The card of a bundle.

    Raises:
        BundleError: no bundle there.
    """
    return dict(load_bundle(bundle).card)
