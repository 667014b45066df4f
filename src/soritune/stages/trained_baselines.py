"""Simple classifiers on the splits of a run or a cross-validation: what a model of voices must beat.

Each is trained on the training and validation speakers of a fold, and judged on that fold's test rows: the speakers
that the model was judged on. Next: `reports/baselines.py`, which has the baselines without training.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soritune.audio.voice_statistics import SAMPLE_RATE_HZ, voice_statistics
from soritune.audio.waveform import read_audio
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import Splits, load_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import AudioError, ManifestError, TaskError
from soritune.extras import require
from soritune.inference.predictions import Predictions, read_predictions
from soritune.progress import SILENT, Console
from soritune.reports.report import write_report
from soritune.reports.score import CountedPairs, pairs_of
from soritune.reports.scores import Baseline, Scores, load_scores
from soritune.run_folder import RunFolder
from soritune.stages.label_columns import label_ids
from soritune.stages.linear_classifier import classify_numbers, classify_texts
from soritune.tasks.results import Pair, Prediction, add_counts
from soritune.tasks.task import Task

TEXT, VOICE = "text_only", "mfcc_pitch"
DESCRIPTIONS = {
    TEXT: "a linear classifier of the text alone (n-grams of characters), trained on the speakers of training and "
    "validation",
    VOICE: "a linear classifier of statistics of MFCC, level and pitch, trained on the speakers of training and "
    "validation",
}
Answers = dict[str, dict[str, Prediction]]
"""Name of a baseline to row id to its prediction."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers of one fold."""

    train: NDArray[np.int64]
    """Training and validation."""
    test: NDArray[np.int64]

    @classmethod
    def of(cls, splits: Splits, manifest: Manifest) -> Fold:
        """The fold of a run's splits."""
        known = [splits.indices(manifest, name) for name in ("train", "val")]
        return cls(np.concatenate(known), splits.indices(manifest, "test"))


def add_trained_baselines(
    folder: Path | str, *, root: Path | None = None, audio: bool = True, console: Console = SILENT
) -> Scores:
    """Adds the baselines to scores.json of a run or a cross-validation, and writes its report again.

    Args:
        folder: of a run or a cross-validation whose test rows were scored.
        root: where relative audio paths start, instead of what the manifest states.
        audio: put players into the report.
        console: where progress is shown; nothing is shown by default.

    Raises:
        ManifestError: scores, predictions, rows or splits are missing.
        MissingLibraryError: scikit-learn is not installed.
        TaskError: no task gives an utterance one label.
    """
    require("a baseline", "sklearn")
    files = RunFolder(Path(folder))
    scores = load_scores(files.scores())
    predictions = read_predictions(files.predictions())
    manifest = load_manifest(files.checked, root=root)
    parts = _fold_folders(files)
    folds = [Fold.of(load_splits(part.splits), manifest) for part in parts]
    scores = with_trained_baselines(scores, predictions, manifest, folds, console=console)
    scores.save(files.scores())
    write_report(files.path, scores_path=files.scores(), audio=audio, audio_root=root)
    return scores


def _fold_folders(files: RunFolder) -> list[RunFolder]:
    """The folds of a cross-validation, or the run itself."""
    if not files.crossval.exists():
        return [files]
    numbers = range(1, len(list(files.path.iterdir())) + 1)
    return [files.fold(number) for number in numbers if files.fold(number).splits.exists()]


def with_trained_baselines(
    scores: Scores,
    predictions: Predictions,
    manifest: Manifest,
    folds: Sequence[Fold],
    *,
    console: Console = SILENT,
) -> Scores:
    """The scores with the baselines of every task that gives an utterance one label; arguments as in
    `add_trained_baselines`.

    Raises:
        TaskError: no task gives an utterance one label.
        ManifestError: predictions of other rows than the test rows.
    """
    refuse_without_label(predictions.tasks)
    _refuse_other_rows(predictions, manifest, folds)
    tasks = [task for task in predictions.tasks if task.single_label and task.name in scores.tasks]
    statistics = statistics_of(manifest, folds, console=console)
    of_tasks = dict(scores.tasks)
    for task in tasks:
        answers = fold_answers(task, manifest, folds, statistics)
        if TEXT not in answers:
            console.message(f"{task.name}: no row has a text, so the baseline {TEXT} is left out")
        counted = CountedPairs.of(task, pairs_of(predictions, task.name), scores.resamples, scores.seed)
        before = scores.tasks[task.name]
        trained = {
            name: baseline_of(DESCRIPTIONS[name], answers[name], counted, list(before.groups))
            for name in answers
        }
        of_tasks[task.name] = dataclasses.replace(before, baselines={**before.baselines, **trained})
    return dataclasses.replace(scores, tasks=of_tasks)


def _refuse_other_rows(predictions: Predictions, manifest: Manifest, folds: Sequence[Fold]) -> None:
    """Refuses predictions of rows that no fold tests.

    Raises:
        ManifestError: there is such a row.
    """
    ids = manifest.ids
    tested = {ids[row] for fold in folds for row in fold.test}
    odd = next((row["id"] for row in predictions.good if row["id"] not in tested), None)
    if odd is not None:
        raise ManifestError(
            f"the predictions contain '{odd}', which is not a test row of the splits in this folder; judge the test "
            "split with `soritune evaluate`"
        )


def refuse_without_label(tasks: Sequence[Task]) -> None:
    """Refuses tasks of which none gives an utterance one label.

    Raises:
        TaskError: so it is.
    """
    if not any(task.single_label for task in tasks):
        names = ", ".join(task.name for task in tasks)
        raise TaskError(f"{names}: no task gives an utterance one label, which the trained baselines need")


def statistics_of(
    manifest: Manifest, folds: Sequence[Fold], *, console: Console = SILENT
) -> NDArray[np.float64]:
    """(rows, numbers) of the rows of all folds; zeros for a row whose audio cannot be read."""
    rows = np.unique(np.concatenate([part for fold in folds for part in (fold.train, fold.test)]))
    size = len(voice_statistics(np.zeros(SAMPLE_RATE_HZ, np.float32)))
    statistics = np.zeros((len(manifest), size))
    with console.bar("voices", total=len(rows)) as bar:
        for row in rows:
            utterance = manifest.utterance(int(row))
            try:
                statistics[row] = voice_statistics(_samples(manifest, utterance))
            except AudioError as error:
                console.warning(f"{utterance.id}: {error.reason}; its voice counts as silence")
            bar.advance()
    return statistics


def _samples(manifest: Manifest, utterance: Utterance) -> NDArray[np.float32]:
    return read_audio(
        manifest.audio_path(utterance),
        sample_rate_hz=SAMPLE_RATE_HZ,
        start_s=utterance.start_s,
        duration_s=utterance.duration_s if utterance.start_s is not None else None,
        channel=utterance.channel,
        pcm=utterance.pcm,
    )


def fold_answers(
    task: Task, manifest: Manifest, folds: Sequence[Fold], statistics: NDArray[np.float64]
) -> Answers:
    """What the baselines answer for the test rows of all folds.

    Args:
        task: gives an utterance one label.
        manifest: the rows.
        folds: whose test rows are answered, each by classifiers trained on its other speakers.
        statistics: (rows, numbers) of `voice_statistics`.
    """
    spec = task.outputs[0]
    utterances = list(manifest)
    labels = label_ids(task, manifest)
    texts = np.array([utterance.text or "" for utterance in utterances], dtype=object)
    answers: Answers = {}
    for fold in folds:
        train = fold.train[labels[fold.train] >= 0]
        known, size = labels[train], len(spec.labels)
        outputs = {VOICE: classify_numbers(statistics[train], known, statistics[fold.test], size)}
        if any(text.strip() for text in texts):
            outputs = {TEXT: classify_texts(texts[train], known, texts[fold.test], size), **outputs}
        for name, scores in outputs.items():
            for row, log_probabilities in zip(fold.test, scores, strict=True):
                answer = task.decode({spec.name: log_probabilities})
                answers.setdefault(name, {})[utterances[row].id] = answer
    return answers


def baseline_of(
    description: str, answers: Mapping[str, Prediction], counted: CountedPairs, fields: Sequence[str]
) -> Baseline:
    """Rates of the answers, also by the values of `fields`, beside the model's."""
    task = counted.task
    counts = [task.count(Pair(pair.id, pair.reference, answers[pair.id])) for pair in counted.pairs]
    differences = counted.differences(counts)
    groups = {
        field: {
            value: _finite(task.rates(add_counts([counts[i] for i in inside])))
            for value, inside in counted.positions(field).items()
        }
        for field in fields
    }
    rates = _finite(task.rates(add_counts(counts)))
    gaps = {rate: gap for rate, gap in differences.items() if rate in rates}
    return Baseline(description, rates, gaps, groups)


def _finite(rates: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in rates.items() if math.isfinite(value)}
