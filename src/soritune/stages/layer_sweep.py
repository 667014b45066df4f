"""A sweep over the layers of a frozen encoder: which one a linear head reads best.

The layer of each outer fold is chosen on inner folds of its training speakers, and judged on its test speakers, who
have no part in the choice. Next: `stages/cached_states.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soritune.corpus.manifest import Manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits
from soritune.errors import SplitError, TaskError
from soritune.identities import identity
from soritune.models.mean_states import build_state_model, state_names
from soritune.progress import SILENT, Console
from soritune.recipe import Recipe
from soritune.reports.figure_files import save_figure
from soritune.reports.layer_choice import (
    DEFAULT,
    FoldChoice,
    LayerChoice,
    PerSpeaker,
    draw_layers,
    inner_best,
    primary_difference,
    primary_interval,
)
from soritune.run_folder import RunFolder
from soritune.stages.cached_states import cached_states
from soritune.stages.check import check_corpus
from soritune.stages.compared_audio import compare_audio
from soritune.stages.label_columns import label_ids, with_labels
from soritune.stages.linear_classifier import classify_numbers
from soritune.stages.prepare import prepare_corpus, with_chosen_source
from soritune.stages.split import refuse_parts, split_corpus
from soritune.stages.start import check_start, open_folder
from soritune.tasks.results import Counts, Pair, Prediction, add_counts
from soritune.tasks.specs import OutputSpec
from soritune.tasks.task import Task, label_fields
from soritune.whole_file import write_text

INNER_FOLDS = 5
"""Groups of training speakers, each judged by classifiers of the others."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a linear head reads and what it should say."""

    task: Task
    spec: OutputSpec
    manifest: Manifest
    states: NDArray[np.float32]
    """(rows, states, hidden)."""
    layers: tuple[str, ...]
    """Names of the states."""
    labels: NDArray[np.int64]
    """(rows,) label ids; -1 without a label."""
    speakers: NDArray[np.object_]
    """(rows,); None without a speaker."""

    def counts(
        self, task: Task, train: NDArray[np.int64], test: NDArray[np.int64], layer: str
    ) -> Iterator[tuple[str, Counts]]:
        """Speaker and counts of every test row, by a classifier of the training rows.

        Args:
            task: prepared on training rows, so that it has the class weights.
            train, test: row numbers, all with labels.
            layer: which state is read.
        """
        weights = task.outputs[0].options.get("class_weights")
        state = self.layers.index(layer)
        outputs = classify_numbers(
            self.states[train, state],
            self.labels[train],
            self.states[test, state],
            len(self.spec.labels),
            class_weights=None if weights is None else dict(enumerate(weights)),
        )
        for row, output in zip(test, outputs, strict=True):
            utterance = self.manifest.utterance(int(row))
            prediction: Prediction = task.decode({self.spec.name: output}, utterance.text)
            pair = Pair(utterance.id, task.reference(utterance) or {}, prediction)
            yield str(self.speakers[row]), task.count(pair)

    def per_speaker(
        self, task: Task, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], layer: str
    ) -> PerSpeaker:
        """Summed counts of every speaker of the test rows of all parts (train, test)."""
        sums: PerSpeaker = {}
        for train, test in parts:
            for speaker, counts in self.counts(task, train, test, layer):
                sums[speaker] = add_counts([sums.get(speaker, {}), counts])
        return sums


def sweep_layers(
    recipe: Recipe,
    output: Path | str,
    *,
    folds: int | None = None,
    own_split: bool = False,
    inner_folds: int = INNER_FOLDS,
    console: Console = SILENT,
) -> LayerChoice:
    """Judges every layer of the recipe's encoder, and writes states.safetensors, layers.json and layers.svg.

    Args:
        recipe: has corpus, encoder, preprocessing and task; the encoder is not trained.
        output: folder of the sweep, with the corpus's files as in a run.
        folds: outer folds of speakers, as `crossval` makes them; None leaves one speaker out at a time.
        own_split: take the recipe's own split as the only outer fold instead.
        inner_folds: groups of training speakers in each outer fold.
        console: where progress is shown; nothing is shown by default.

    Raises:
        TaskError: no task of the recipe gives an utterance one label and reads the audio.
        SplitError: too few speakers, or `inner_folds` below 2.
    """
    if inner_folds < 2:
        raise SplitError(f"{inner_folds} inner folds choose nothing; give at least 2")
    task = _task_of(recipe)
    files = RunFolder(Path(output))
    recipe = with_chosen_source(recipe, console=console)
    check_start(recipe)
    open_folder(files.path)
    manifest = check_corpus(
        recipe, prepare_corpus(recipe, files.path, console=console), files.path, console=console
    )
    all_splits = (
        [split_corpus(recipe, manifest, files.path, console=console)]
        if own_split
        else _crossval_folds(recipe, manifest, folds, console)
    )
    probe = _probe(recipe, task, manifest, files, console)
    choices: list[FoldChoice] = []
    chosen_counts: PerSpeaker = {}
    default_counts: PerSpeaker = {}
    with console.bar("layers", total=len(all_splits) * len(probe.layers)) as bar:
        for number, splits in enumerate(all_splits, start=1):
            advance = partial(bar.advance, 1)
            choice, by_chosen, by_default = _outer_fold(probe, number, splits, inner_folds, advance)
            choices.append(choice)
            chosen_counts |= by_chosen
            default_counts |= by_default
    draws = recipe.evaluate.resamples
    result = LayerChoice(
        recipe=recipe.name,
        encoder=str(recipe.model.starts_from or recipe.model.encoder),
        task=task.name,
        rate=task.primary_metric.name,
        num_rows=int((probe.labels >= 0).sum()),
        num_speakers=len(chosen_counts),
        layers=probe.layers,
        folds=tuple(choices),
        outer=primary_interval(task, chosen_counts, draws),
        outer_default=primary_interval(task, default_counts, draws),
        difference=primary_difference(task, default_counts, chosen_counts, draws),
    )
    write_text(files.layers, json.dumps(result.to_json(), ensure_ascii=False, indent=1) + "\n")
    save_figure(files.layers_figure, partial(draw_layers, result))
    return result


def _task_of(recipe: Recipe) -> Task:
    """The first task whose label a linear head can give.

    Raises:
        TaskError: there is no such task.
    """
    for task in recipe.make_tasks():
        spec = task.outputs[0]
        if task.single_label and not spec.per_frame and task.primary_metric.higher_is_better:
            return task
    raise TaskError(
        f"{', '.join(recipe.tasks)}: no task with one label for an utterance, which a sweep over layers needs"
    )


def _crossval_folds(recipe: Recipe, manifest: Manifest, folds: int | None, console: Console) -> list[Splits]:
    """The folds of `crossval` with the same recipe."""
    audio = compare_audio(manifest, recipe.split.copies, console=console)
    all_splits = make_folds(
        with_labels(recipe.make_tasks(), manifest),
        folds=folds,
        seed=recipe.split.seed,
        stratify=recipe.split.stratify,
        label_fields=label_fields(recipe.make_tasks()),
        audio_hashes=audio.hashes,
        copies=recipe.split.copies,
    )
    for splits in all_splits:
        audio.warn(splits, manifest)
        refuse_parts(recipe.make_tasks(), manifest, splits, ("train",))
    for warning in dict.fromkeys(warning for splits in all_splits for warning in splits.policy["warnings"]):
        console.warning(f"folds: {warning}")
    return all_splits


def _probe(recipe: Recipe, task: Task, manifest: Manifest, files: RunFolder, console: Console) -> Probe:
    """The states of every row, computed or read, beside labels and speakers."""
    spec = task.outputs[0]
    if spec.inputs:
        console.message(
            f"{task.name}: only the audio is read; {', '.join(spec.inputs)} has no part in the sweep"
        )
    model = build_state_model(
        recipe.model, spec, seed=recipe.train.seed, sample_rate_hz=recipe.preprocessing.sample_rate_hz
    )
    return Probe(
        task=task,
        spec=spec,
        manifest=manifest,
        states=cached_states(recipe, manifest, model, files.states, console=console),
        layers=tuple(state_names(model.num_layers)),
        labels=label_ids(task, manifest),
        speakers=np.array([identity(name) for name in manifest.column("speaker").to_pylist()], dtype=object),
    )


def _outer_fold(
    probe: Probe, number: int, splits: Splits, inner_folds: int, advance: partial[None]
) -> tuple[FoldChoice, PerSpeaker, PerSpeaker]:
    """Chooses a layer inside the training speakers of one fold and judges it on its test speakers.

    Returns:
        The choice, and the counts per test speaker by the chosen layer and by the default one.
    """
    known = [splits.indices(probe.manifest, name) for name in ("train", "val")]
    train = np.concatenate(known)
    train, test = train[probe.labels[train] >= 0], splits.indices(probe.manifest, "test")
    test = test[probe.labels[test] >= 0]
    task = probe.task.prepare(probe.manifest.utterances(train))
    rate = task.primary_metric.name
    parts = inner_parts(train, probe.speakers, inner_folds)
    inner = {}
    for layer in probe.layers:
        inner[layer] = primary_interval(task, probe.per_speaker(task, parts, layer))
        advance()
    chosen = inner_best(probe.layers, inner)
    by_chosen = probe.per_speaker(task, [(train, test)], chosen)
    by_default = probe.per_speaker(task, [(train, test)], DEFAULT)
    choice = FoldChoice(
        number=number,
        test_speakers=tuple(sorted(by_chosen)),
        inner=inner,
        chosen=chosen,
        outer=task.rates(add_counts(by_chosen.values()))[rate],
        outer_default=task.rates(add_counts(by_default.values()))[rate],
    )
    return choice, by_chosen, by_default


def inner_parts(
    train: NDArray[np.int64], speakers: NDArray[np.object_], folds: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(train, test) row numbers of the inner folds; every training speaker is in one test part.

    Args:
        train: row numbers of the training speakers.
        speakers: (rows,) of the manifest.
        folds: number of inner folds; no more than speakers.

    Raises:
        SplitError: fewer than two training speakers.
    """
    from sklearn.model_selection import GroupKFold

    groups = np.array([str(name) for name in speakers[train]])
    count = min(folds, len(set(groups)))
    if count < 2:
        raise SplitError(
            "a layer is chosen on inner folds of the training speakers, and there are fewer than two"
        )
    return [(train[fit], train[judge]) for fit, judge in GroupKFold(count).split(train, groups=groups)]
