"""What augmentation is worth for `emotion-3class` and `emotion-4class` on a small real corpus, speaker by speaker.

    python benchmarks/emotion_augmentation.py $SORITUNE_DATA/ko_emotion_selvas/manifest.jsonl --work exp/augmentation

The recipes are unchanged except for data, labels and encoder, which is frozen. Arms: none, basic (noise, time stretch,
pitch, gain) and all eight augmentations of the recipes. Ten augmented copies of every clip are encoded once
(`cached_encodings.py`); the head is then trained on them by the project's own optimizer step, losses, targets and
selection of weights. Each arm is trained with the recipe's own schedule, and with one for a head alone (rate 1e-3, 40
epochs, copies repeated from the 11th on), because the recipe's rate is meant for a whole encoder. Continues where it
was stopped. `--check` trains an epoch in the usual way too, and compares the weights of the heads.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cached_encodings import CachedEpoch, Encodings, SampleMemo, without_augmentation
from emotion_augmentation_summary import summarise
from numpy.typing import NDArray
from torch import Tensor

from soritune.bundles.versions import versions
from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits
from soritune.draws import Draws, seed_of
from soritune.inference.json_values import without_nan
from soritune.models.loading import load_model
from soritune.models.losses.loss import log_probabilities
from soritune.models.mean_states import build_state_model
from soritune.recipe import Recipe, load_recipe
from soritune.run_folder import RunFolder
from soritune.stages.check import check_corpus
from soritune.stages.prepare import prepare_corpus
from soritune.stages.train import build_run, train_recipe
from soritune.tasks.objectives.objective import objective_of
from soritune.tasks.results import Counts, Pair, add_counts
from soritune.tasks.task import label_fields
from soritune.training.batches.batch import Batch, Target
from soritune.training.devices import make_accelerator
from soritune.training.epochs import Epochs
from soritune.training.losses import losses
from soritune.training.phases import resolve_phases
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress
from soritune.training.selection import Selection
from soritune.training.step import Stepper
from soritune.whole_file import write_text

RECIPES: dict[str, tuple[str, ...]] = {
    # The source is certain of neutral and happy; which of the other two codes is sad and which is angry, it is not.
    "emotion-3class": (
        "tasks.emotion.labels=[neutral, happy, sad or angry]",
        "tasks.emotion.rename={sad: sad or angry, angry: sad or angry}",
    ),
    "emotion-4class": ("tasks.emotion.labels=[neutral, happy, sad, angry]",),
}
REPLACED = (
    "data.source=manifest",
    "data.config={fields: {duration_s: duration}}",
    "model.encoder=soritune/tiny-ko",
    "model.architecture={}",
    "model.freeze.encoder=true",
    "train.device=cpu",
    "batches.num_workers=0",
)
ARMS: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "emotion-3class": {
        "none": ((), ("augment=null",)),
        "basic": (("basic-augmentation",), ()),
        "all": ((), ()),
    },
    "emotion-4class": {
        "none": ((), ()),
        "basic": (("basic-augmentation",), ()),
        "all": (("all-augmentation",), ()),
    },
}
"""Presets and overrides of each arm."""
SCHEDULES = {"recipe": (), "head": ("train.learning_rate=1e-3", "train.epochs=40")}
VALUE = "emotion/ua"
PerSpeaker = dict[str, Counts]


@dataclass(frozen=True)
class Fold:
    """One fold of one arm and seed."""

    number: int
    run: TrainingRun
    epochs: Epochs
    test_rows: NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Checked rows and the folds that all arms share."""

    manifest: Manifest
    splits: list[Splits]


def recipe_of(name: str, arm: str, schedule: str, seed: int, options: argparse.Namespace) -> Recipe:
    """The recipe of one arm."""
    presets, overrides = ARMS[name][arm]
    given = [*REPLACED, *RECIPES[name], *overrides, *SCHEDULES[schedule], *options.set]
    return load_recipe(
        name, [f"data.root={options.manifest.absolute()}", f"train.seed={seed}", *given], presets=presets
    )


def corpus_of(recipe: Recipe, work: Path) -> Corpus:
    """The corpus as `crossval` reads and divides it."""
    work.mkdir(parents=True, exist_ok=True)
    manifest = check_corpus(recipe, prepare_corpus(recipe, work), work)
    folds = make_folds(
        manifest,
        seed=recipe.split.seed,
        stratify=recipe.split.stratify,
        label_fields=label_fields(recipe.make_tasks()),
    )
    return Corpus(manifest, folds)


def folds_of(recipe: Recipe, corpus: Corpus, work: Path) -> list[Fold]:
    """What is trained in every fold."""
    (phase,) = resolve_phases(recipe.train, recipe.augment, recipe.model.freeze)
    folds = []
    for number, splits in enumerate(corpus.splits):
        run = build_run(recipe, corpus.manifest, splits, work)
        folds.append(Fold(number, run, Epochs(run, phase), splits.indices(corpus.manifest, "test")))
    return folds


def encode(recipe: Recipe, folds: Sequence[Fold], encodings: Encodings, copies: int) -> Iterator[str]:
    """Encodes every copy that training needs; yields what was done."""
    for epoch in range(min(copies, recipe.train.epochs)):
        samples = SampleMemo(folds[0].epochs.collator)
        for fold in folds:
            encodings.epoch(recipe, fold.run, fold.epochs, fold.number, epoch, samples)
        yield f"epoch {epoch + 1} encoded"


class CachedHead:
    """Trains and judges the head of one fold on cached encodings.

    The encoder of the fold's model is replaced by one that returns the mean states it is given.
    """

    def __init__(self, recipe: Recipe, fold: Fold, encodings: Encodings, copies: int) -> None:
        self.recipe, self.fold, self.encodings, self.copies = recipe, fold, encodings, copies
        self.model, (self.task,) = fold.run.model, fold.run.tasks
        (self.spec,) = self.model.outputs
        self.state = -1 if self.spec.layer == "last" else int(self.spec.layer)
        self.samples = SampleMemo(fold.epochs.collator)
        self._batches: dict[int, list[Batch]] = {}
        plain = without_augmentation(recipe, fold.epochs.collator)
        self.plain = encodings.rows(*plain, Draws(0, 0, 0))
        self.model.encode = self._encode  # type: ignore[method-assign]

    def _encode(self, waveform: Tensor, *_: Tensor | None) -> tuple[Tensor, dict[int, Tensor], Tensor]:
        means = waveform[:, None, : self.model.hidden_size]
        states = {} if self.state < 0 else {self.state: means}
        return means, states, torch.ones(len(means), 1, dtype=torch.bool)

    def _batch(
        self, means: NDArray[np.float32], rows: NDArray[np.int64], values: Tensor, count: float
    ) -> Batch:
        nothing = torch.zeros(len(rows), dtype=torch.int64)
        target = Target(values, nothing, torch.ones(len(rows), dtype=torch.bool), count)
        inputs = {
            "waveform": torch.from_numpy(np.ascontiguousarray(means[:, self.state])),
            "num_samples": nothing + 16000,
        }
        return Batch(inputs, {self.spec.name: target}, rows, seed=0)

    def batches(self, epoch: int) -> list[Batch]:
        """The micro-batches of an epoch; epochs beyond the copies repeat them with new dropout."""
        copy = epoch % self.copies
        if copy not in self._batches:
            self._batches[copy] = self._stored_batches(copy)
        seed = self.recipe.train.seed
        return [
            replace(batch, seed=seed_of(seed, 0, epoch, "model", number))
            for number, batch in enumerate(self._batches[copy])
        ]

    def _stored_batches(self, copy: int) -> list[Batch]:
        cached: CachedEpoch = self.encodings.epoch(
            self.recipe, self.fold.run, self.fold.epochs, self.fold.number, copy, self.samples
        )
        made = []
        for number, count in enumerate(cached.counts):
            part = slice(cached.offsets[number], cached.offsets[number + 1])
            values = torch.from_numpy(cached.values[part])
            made.append(self._batch(cached.states[part], cached.visits[part], values, float(count)))
        return made

    def judge(self, rows: NDArray[np.int64]) -> tuple[dict[str, float], Counts]:
        """Loss and rates on rows, and their summed counts."""
        manifest = self.fold.run.manifest
        utterances = [manifest.utterance(int(row)) for row in rows]
        masses = [self.task.targets(utterance)[self.spec.name] for utterance in utterances]
        padded = objective_of(self.spec).pad(self.spec, masses, np.ones(len(rows), np.int64))
        batch = self._batch(self.plain[rows], rows, torch.from_numpy(padded.values), padded.count)
        self.model.eval()
        with torch.no_grad():
            output, sums = losses(self.model, batch)
            scores = log_probabilities(self.spec, output.logits[self.spec.name]).numpy()
        self.model.train()
        counts = add_counts(
            [
                self.task.count(
                    Pair(u.id, self.task.reference(u) or {}, self.task.decode({self.spec.name: s}))
                )
                for u, s in zip(utterances, scores, strict=True)
            ]
        )
        loss = float(sums[self.spec.name].total) / padded.count
        rates = {f"{self.task.name}/{name}": rate for name, rate in self.task.rates(counts).items()}
        return {"loss": loss, f"loss/{self.spec.name}": loss, **rates}, counts

    def train(self) -> tuple[Counts, int]:
        """Counts of the judged speaker by the weights that were best on validation, and the epochs trained."""
        settings, model = self.recipe.train, self.model
        accelerator = make_accelerator(settings)
        stepper = Stepper(model, settings, accelerator, sample_rate_hz=16000)
        selection, progress = Selection(self.fold.run.tasks, settings), Progress()
        per_step = self.recipe.batches.micro_batches_per_step
        total = sum(len(self.batches(epoch)) // per_step for epoch in range(settings.epochs))
        best = {name: weight.clone() for name, weight in model.heads.state_dict().items()}
        for epoch in range(settings.epochs):
            batches = self.batches(epoch)
            for first in range(0, len(batches), per_step):
                micro = batches[first : first + per_step]
                counts = [sum(batch.targets[self.spec.name].count for batch in micro)]
                stepper.step(micro, counts, done=progress.phase_step, total_steps=total)
                progress.phase_step = progress.step = progress.phase_step + 1
            if stepper.non_finite():
                raise SystemExit("a step was not finite")
            values, _ = self.judge(self.fold.run.validation_rows)
            if selection.entered(values, progress).get(VALUE) == 0:
                best = {name: weight.clone() for name, weight in model.heads.state_dict().items()}
            stopping = settings.early_stopping
            improved = selection.monitored_improved(values, progress)
            if stopping is not None and not improved and progress.stale_evaluations >= stopping.patience:
                break
        self.last = {name: weight.clone() for name, weight in model.heads.state_dict().items()}
        model.heads.load_state_dict(best)
        return self.judge(self.fold.test_rows)[1], epoch + 1


def encodings_of(recipe: Recipe, corpus: Corpus, work: Path) -> Encodings:
    """The cache, with the frozen encoder."""
    spec = recipe.make_tasks()[0].outputs[0]
    return Encodings(build_state_model(recipe.model, spec, seed=0), work / "cache")


def check(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Trains one epoch of one fold in the usual way and on the cache; the largest difference of any head weight."""
    gaps = {}
    for arm in options.arms:
        recipe = recipe_of(name, arm, "head", 0, options)
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 1})})
        work = options.work / "check"
        corpus = corpus_of(recipe, work)
        fold = folds_of(recipe, replace(corpus, splits=corpus.splits[:1]), work)[0]
        cached = CachedHead(recipe, fold, encodings_of(recipe, corpus, options.work), 1)
        cached.train()
        shutil.rmtree(work / "run", ignore_errors=True)
        train_recipe(recipe, corpus.manifest, corpus.splits[0], work / "run")
        usual = load_model(RunFolder(work / "run").bundle("last")).heads.state_dict()
        gaps[arm] = max(float((usual[key] - weight).abs().max()) for key, weight in cached.last.items())
        print(
            f"{name} {arm}: largest difference of a head weight after one epoch {gaps[arm]:.2g}", flush=True
        )
    if max(gaps.values()) > 1e-4:
        raise SystemExit("the cache does not give the weights of the usual training")
    return gaps


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="cache, results and summary.json")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument(
        "--arms", nargs="+", default=["none", "basic", "all"], choices=["none", "basic", "all"]
    )
    parser.add_argument("--schedules", nargs="+", default=list(SCHEDULES), choices=list(SCHEDULES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--copies", type=int, default=10, help="augmented copies of every clip")
    parser.add_argument(
        "--group", default="script_type", help="field of the rows that results are also given for"
    )
    parser.add_argument("--set", action="append", default=[], help="an override for every recipe, KEY=VALUE")
    parser.add_argument("--check", action="store_true", help="compare with the usual training first")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for name in options.recipes:
        if options.check:
            results[f"check {name}"] = check(name, options)
        corpus = corpus_of(recipe_of(name, "none", "recipe", 0, options), options.work / name)
        for seed in options.seeds:
            for arm in options.arms:
                train_arm(name, arm, seed, corpus, options)
        results[name] = summarise(
            recipe_of(name, "none", "recipe", 0, options), corpus.manifest, corpus.splits, options
        )
    content = json.dumps(without_nan({**results, "versions": versions()}), ensure_ascii=False, indent=1)
    write_text(options.work / "summary.json", content + "\n")


def train_arm(name: str, arm: str, seed: int, corpus: Corpus, options: argparse.Namespace) -> None:
    """Trains one arm with every schedule; the counts of each fold's speakers are written to a file."""
    for schedule in options.schedules:
        file = options.work / "results" / f"{name}-{arm}-{schedule}-s{seed}.json"
        if file.exists():
            continue
        began = time.monotonic()
        recipe = recipe_of(name, arm, schedule, seed, options)
        folds = folds_of(recipe, corpus, options.work / name)
        encodings = encodings_of(recipe, corpus, options.work)
        for done in encode(recipe, folds, encodings, options.copies):
            print(f"{file.stem}: {done} after {time.monotonic() - began:.0f} s", flush=True)
        speakers: dict[str, Any] = {}
        for fold in folds:
            counts, epochs = CachedHead(recipe, fold, encodings, options.copies).train()
            (speaker,) = {corpus.manifest.utterance(int(row)).speaker for row in fold.test_rows}
            speakers[str(speaker)] = {
                "epochs": epochs,
                **{key: np.asarray(c).tolist() for key, c in counts.items()},
            }
        file.parent.mkdir(exist_ok=True)
        write_text(file, json.dumps(speakers))
        print(f"{file.stem}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
