"""The layout of a run's folder, and which bundle of it is used. No other file spells out these names.

RUN/recipe.yaml            the recipe with all its settings
RUN/data.jsonl             rows that were given in Python instead of a corpus
RUN/manifest.parquet       the corpus as it was read; quarantine.jsonl has what was left out
RUN/checked.parquet        the rows that can be used; audio_hashes.parquet has hashes of their samples
RUN/splits.parquet         train, val and test of them
RUN/train.jsonl, train.log events of the training, as JSON and as text; tensorboard/ when requested
RUN/tracking.json          the id under which trackers know the run, when trackers are requested
RUN/encoder_states/        states of an encoder that is not trained, if they are kept
RUN/checkpoints/step-N/    what a resumed training starts from
RUN/bundles/NAME/          models; those of phases before the last begin with phase1_, phase2_ …
RUN/predictions/SPLIT.jsonl, RUN/scores.json, RUN/report.html, RUN/report.txt
RUN/evaluation/DATA/       the same four, and manifest and quarantine, for data that is not the run's own
RUN/states.safetensors     mean states of an encoder, layers.json and layers.svg: of a sweep over layers
RUN/fold-NN/               the runs of a cross-validation; crossval.json has the settings that it was started with

The names of the files that `soritune prepare`, `check` and `split` write elsewhere too are defined in
`corpus/manifest.py`. Next: `stages/run.py`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soritune.bundles.card import CARD_FILE
from soritune.bundles.packaged import resolve_model_folder
from soritune.bundles.read import is_bundle, load_bundle
from soritune.corpus.file_names import (
    AUDIO_HASHES_FILE,
    CHECKED_FILE,
    MANIFEST_FILE,
    QUARANTINE_FILE,
    SPLITS_FILE,
)
from soritune.errors import BundleError, SplitError, UnknownNameError

if TYPE_CHECKING:
    from soritune.corpus.manifest import Manifest
    from soritune.corpus.splitting.splits import Splits

BUNDLES = "bundles"
START = "start"
"""Name of the bundle with the weights that a run was given."""


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
        return self.path / MANIFEST_FILE

    @property
    def checked(self) -> Path:
        """The rows that can be used."""
        return self.path / CHECKED_FILE

    @property
    def splits(self) -> Path:
        """Which row is in which split."""
        return self.path / SPLITS_FILE

    @property
    def quarantine(self) -> Path:
        """Rows that were left out, with reasons."""
        return self.path / QUARANTINE_FILE

    @property
    def events(self) -> Path:
        """Events of the training, one JSON object per line."""
        return self.path / "train.jsonl"

    @property
    def text_log(self) -> Path:
        """The same events as text."""
        return self.path / "train.log"

    @property
    def growing_files(self) -> dict[str, Path]:
        """The files that a training appends to, by name; a checkpoint has their lengths."""
        return {path.name: path for path in (self.events, self.text_log, self.quarantine)}

    @property
    def tensorboard(self) -> Path:
        """Event files of TensorBoard, when requested."""
        return self.path / "tensorboard"

    @property
    def tracking(self) -> Path:
        """The id under which trackers know the run."""
        return self.path / "tracking.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def encoder_states(self) -> Path:
        """States of an encoder that is not trained."""
        return self.path / "encoder_states"

    @property
    def has_checkpoint(self) -> bool:
        """Whether a training in the folder has written a checkpoint."""
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

    @property
    def bundles(self) -> Path:
        """Folder of the models."""
        return self.path / BUNDLES

    def bundle(self, name: str) -> Path:
        """Folder of one model."""
        return self.bundles / name

    @classmethod
    def of_predictions(cls, path: Path) -> RunFolder:
        """The run whose predictions are in the file `path`."""
        return cls(path.resolve().parent.parent)

    def predictions(self, name: str = "test") -> Path:
        """Predictions of a split, or of a split with a suffix."""
        return self.path / "predictions" / f"{name}.jsonl"

    def scores(self, suffix: str = "") -> Path:
        """Scores; a `suffix` begins with a hyphen."""
        return self.path / f"scores{suffix}.json"

    def report(self, suffix: str = "") -> Path:
        """The report as a page."""
        return self.path / f"report{suffix}.html"

    def text_report(self, suffix: str = "") -> Path:
        """The report as text."""
        return self.path / f"report{suffix}.txt"

    def evaluation(self, name: str) -> RunFolder:
        """Folder of results on data that is not the run's own."""
        return RunFolder(self.path / "evaluation" / name)

    def evaluations(self) -> list[RunFolder]:
        """Folders of results on data that is not the run's own, by name."""
        folder = self.evaluation("any").path.parent
        return [RunFolder(path) for path in sorted(folder.glob("*")) if path.is_dir()]

    def all_scores(self) -> list[Path]:
        """Scores of every bundle, split and decoder, those without a suffix first."""
        return sorted(self.path.glob("scores*.json"), key=lambda path: (len(path.name), path.name))

    def scores_of_start(self) -> list[Path]:
        """Those of `all_scores` that are of the weights that the run was given."""
        return [path for path in self.all_scores() if START in path.stem.split("-")]

    def fold(self, number: int) -> RunFolder:
        """The run of one fold of a cross-validation, counted from 1."""
        return RunFolder(self.path / f"fold-{number:02d}")

    @property
    def states(self) -> Path:
        """The encoder's mean states of every row, of a sweep over layers."""
        return self.path / "states.safetensors"

    @property
    def layers(self) -> Path:
        """The figures of a sweep over layers."""
        return self.path / "layers.json"

    @property
    def layers_figure(self) -> Path:
        """The same as a drawing."""
        return self.path / "layers.svg"

    @property
    def crossval(self) -> Path:
        """The settings that a cross-validation was started with."""
        return self.path / "crossval.json"


def remove_run(folder: Path) -> None:
    """Removes what a run wrote into its folder; other files in it are kept."""
    run = RunFolder(folder)
    written = [run.recipe, run.given_rows, run.manifest, run.checked, run.splits, run.quarantine, run.events]
    written += [run.text_log, run.tracking, run.tensorboard, run.encoder_states, run.checkpoints, run.bundles]
    written += [run.predictions().parent, run.evaluation("any").path.parent, *run.all_scores()]
    written += [
        folder / "wandb",
        folder / AUDIO_HASHES_FILE,
        *folder.glob("report*.html"),
        *folder.glob("report*.txt"),
    ]
    for path in written:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def checkpoint_order(path: Path) -> tuple[int, int] | None:
    """(step, copy) from the name of a checkpoint's folder, by which checkpoints are ordered; None for other names."""
    match = re.fullmatch(r"step-(\d+)(?:-(\d+))?", path.name)
    return (int(match[1]), int(match[2] or 1)) if match else None


def is_run(path: Path | str) -> bool:
    """True for a folder that training wrote: it has `bundles/`."""
    folder = Path(path)
    return folder.is_dir() and not is_bundle(folder) and RunFolder(folder).bundles.is_dir()


def run_of(bundle: Path | str) -> Path | None:
    """The run folder that contains a bundle, or None."""
    for path in (Path(bundle), Path(bundle).resolve()):
        run = path.parent.parent
        if path.parent.name == BUNDLES and is_run(run):
            return run
    return None


def crossval_of(fold: Path) -> Path | None:
    """The folder of the cross-validation that the run in the folder `fold` is a part of, or None."""
    is_fold = re.fullmatch(r"fold-\d+", fold.name) and RunFolder(fold.parent).crossval.is_file()
    return fold.parent if is_fold else None


def rows_seen(bundles: Iterable[Path | str], rows: Manifest) -> dict[str, int] | None:
    """How many of `rows` the models were trained on ("train") or chosen by ("val").

    Rows are recognised by their ids in the splits of the bundles' runs, whatever file `rows` was read from. None when
    no bundle is part of a run that has splits.
    """
    from soritune.corpus.splitting.splits import load_splits

    train, val = set[int](), set[int]()
    has_splits = False
    for bundle in bundles:
        run = run_of(bundle)
        if run is None or not RunFolder(run).splits.is_file():
            continue
        try:
            splits = load_splits(RunFolder(run).splits)
        except SplitError:
            continue
        has_splits = True
        train |= _indices(splits, rows, "train")
        val |= _indices(splits, rows, "val")
    return {"train": len(train), "val": len(val - train)} if has_splits else None


def _indices(splits: Splits, rows: Manifest, split: str) -> set[int]:
    try:
        return set(splits.indices(rows, split).tolist())
    except SplitError:  # no id in common: another corpus
        return set()


def bundle_names(run: Path | str) -> list[str]:
    """Names of the bundles of a run, sorted, epochs by number."""
    folders = RunFolder(Path(run)).bundles.iterdir()
    names = [folder.name for folder in folders if is_bundle(folder) and not folder.name.startswith(".")]
    return sorted(names, key=_by_number)


def _by_number(name: str) -> tuple[str, int, str]:
    """Sort key that puts `epoch_2` before `epoch_10`."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number), name) if number.isdecimal() else (name, -1, name)


def choose_bundle(path: Path | str, checkpoint: str | None = None) -> Path:
    """The bundle folder to use.

    A bundle folder is returned as given. In a run folder it is `bundles/<checkpoint>`; without a name, the best by the
    primary metric of the first task if this bundle exists, else `best_loss`, else `last`. If only earlier phases of a
    recipe were trained, a name stands for that of the latest of them: `best_loss` is then `phase1_best_loss`.

    Raises:
        BundleError: neither a bundle nor a run, or a run without bundles.
        UnknownNameError: the run has no bundle with this name.
    """
    folder = resolve_model_folder(path)
    if is_bundle(folder):
        if checkpoint not in (None, "best"):
            raise BundleError(
                f"{folder} is a single bundle; --checkpoint chooses among the bundles of a run folder"
            )
        return folder
    if not is_run(folder):
        fault = f"is not a model: it has neither {CARD_FILE} nor {BUNDLES}/"
        raise BundleError(
            f"{folder} {fault if folder.exists() else 'does not exist'}; give a bundle folder or a run folder"
        )
    names = bundle_names(folder)
    if not names:
        raise BundleError(
            f"{folder} has no finished bundle under {BUNDLES}/; training stopped before the first one"
        )
    run = RunFolder(folder)
    if checkpoint not in (None, "best"):
        name = _of_latest_phase(names, str(checkpoint))
        if name is None:
            raise UnknownNameError("checkpoint", str(checkpoint), ["best", *names])
        return run.bundle(name)
    task = load_bundle(run.bundle(names[0])).tasks[0]
    for preferred in (f"best_{task.name}_{task.primary_metric.name}", "best_loss", "last"):
        name = _of_latest_phase(names, preferred)
        if name is not None:
            return run.bundle(name)
    return run.bundle(names[0])


def _of_latest_phase(names: Iterable[str], name: str) -> str | None:
    """`name` itself if it exists, which belongs to the last phase of a recipe; else that of the latest phase before."""
    phases = {
        int(match[1]): match[0]
        for existing in names
        if (match := re.fullmatch(rf"phase(\d+)_{re.escape(name)}", existing))
    }
    return name if name in names else phases[max(phases)] if phases else None


def read_card(bundle: Path | str) -> dict[str, Any]:
    """The card of a bundle.

    Raises:
        BundleError: no bundle there.
    """
    return dict(load_bundle(bundle).card)
