"""Trained baselines: fitted without the judged speakers, the same rows as the model, kept in scores and report."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tests.stages.toy_recipes import emotion

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.folds import make_folds
from soritune.corpus.splitting.splits import Splits, load_splits
from soritune.errors import ManifestError, TaskError
from soritune.metrics.classification import confusion_rates
from soritune.reports.score import score_predictions
from soritune.reports.scores import load_scores
from soritune.run_folder import RunFolder
from soritune.stages.crossval import crossval
from soritune.stages.run import RunResult
from soritune.stages.trained_baselines import (
    TEXT,
    VOICE,
    Fold,
    add_trained_baselines,
    fold_answers,
    refuse_without_label,
    statistics_of,
)
from soritune.tasks.task import make_task

LABELS = ("Anxious", "Kind", "Dry")
TASK = make_task("emotion", {"labels": list(LABELS)})


def folds_of(manifest: Manifest) -> list[Fold]:
    return [Fold.of(splits, manifest) for splits in make_folds(manifest, folds=3, val_share=0.2)]


def test_pitch_recognises_the_tones_of_unseen_speakers(tones: Manifest) -> None:
    folds = folds_of(tones)
    answers = fold_answers(TASK, tones, folds, statistics_of(tones, folds))
    right = [answers[VOICE][row.id].fields["label"] == row.emotion for row in tones]
    assert len(right) == len(answers[VOICE]) == len(answers[TEXT]) == 36
    assert np.mean(right) > 0.95


def test_the_text_baseline_is_that_of_scikit_learn_on_training_and_validation_rows(tones: Manifest) -> None:
    folds = folds_of(tones)
    answers = fold_answers(TASK, tones, folds, np.zeros((36, 2)))
    texts, labels = np.array([row.text for row in tones]), np.array([row.emotion for row in tones])
    fold = folds[1]
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3))
    model = LogisticRegression(C=10, max_iter=2000).fit(
        grams.fit_transform(texts[fold.train]), labels[fold.train]
    )
    expected = model.predict_proba(grams.transform(texts[fold.test]))
    for row, probabilities in zip(fold.test, expected, strict=True):
        found = answers[TEXT][tones.utterance(int(row)).id].fields["probabilities"]
        np.testing.assert_allclose([found[name] for name in model.classes_], probabilities, atol=1e-4)


def test_labels_of_the_judged_speakers_change_no_answer(tones: Manifest, tmp_path: Path) -> None:
    folds = folds_of(tones)[:1]
    judged = {tones.utterance(int(row)).id for row in folds[0].test}
    other = [dataclasses.replace(row, emotion="Dry") if row.id in judged else row for row in tones]
    changed = write_manifest(tmp_path / "m.parquet", other, root=tones.root)
    statistics = statistics_of(tones, folds)
    first, second = (fold_answers(TASK, rows, folds, statistics) for rows in (tones, changed))
    assert first == second


def test_rows_without_a_text_leave_the_text_baseline_out(tones: Manifest, tmp_path: Path) -> None:
    rows = write_manifest(
        tmp_path / "m.parquet", [dataclasses.replace(row, text=None) for row in tones], root=tones.root
    )
    assert set(fold_answers(TASK, rows, folds_of(rows), np.zeros((36, 2)))) == {VOICE}


def rated(tones: Manifest, folder: Path) -> Manifest:
    """Two raters for each row, who agree on its label except for the first row of each speaker."""
    seen: set[str | None] = set()
    rows = []
    for row in tones:
        given = [row.emotion, row.emotion] if row.speaker in seen else ["Kind", "Dry"]
        seen.add(row.speaker)
        rows.append(dataclasses.replace(row, extra={**row.extra, "raters": given}))
    return write_manifest(folder / "rated.parquet", rows, root=tones.root)


def test_rows_with_tied_ratings_are_answered_and_not_trained_on(tones: Manifest, tmp_path: Path) -> None:
    manifest = rated(tones, tmp_path)
    settings = {"labels": list(LABELS), "ratings": ["raters"], "rated_target": "soft"}
    task = make_task("emotion", settings)
    folds = folds_of(manifest)
    answers = fold_answers(task, manifest, folds, np.zeros((36, 2)))
    assert set(answers[TEXT]) == {row.id for row in manifest}
    ties = [n for n, row in enumerate(manifest) if set(row.extra["raters"]) == {"Kind", "Dry"}]
    without = [dataclasses.replace(fold, train=fold.train[~np.isin(fold.train, ties)]) for fold in folds]
    assert answers[TEXT] == fold_answers(TASK, manifest, without, np.zeros((36, 2)))[TEXT]


def test_a_task_without_one_label_is_refused() -> None:
    refuse_without_label([TASK])
    phones = make_task("phoneme", {"inventory": "korean", "source": "phones"})
    with pytest.raises(TaskError, match="phoneme: no task gives an utterance one label"):
        refuse_without_label([phones])


@pytest.mark.slow
def test_a_run_gets_baselines_in_scores_and_report(finished: tuple[Path, RunResult], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    before = load_scores(folder).tasks["emotion"]
    add_trained_baselines(folder, audio=False)
    after = load_scores(folder).tasks["emotion"]
    assert list(after.baselines) == [*before.baselines, VOICE]  # the corpus has no texts
    assert after.rates == before.rates
    voice = after.baselines[VOICE]
    manifest = load_manifest(folder / "checked.parquet")
    fold = Fold.of(splits_of(folder), manifest)
    task = score_predictions(RunFolder(folder).predictions()).header.tasks_by_name["emotion"]
    answers = fold_answers(task, manifest, [fold], statistics_of(manifest, [fold]))[VOICE]
    confusion = np.zeros((3, 3))
    for row in fold.test:
        utterance = manifest.utterance(int(row))
        confusion[
            LABELS.index(str(utterance.emotion)), LABELS.index(answers[utterance.id].fields["label"])
        ] += 1
    assert voice.rates["ua"] == pytest.approx(confusion_rates(confusion)["ua"])
    assert voice.differences["ua"].value == pytest.approx(after.rates["ua"].value - voice.rates["ua"])
    assert set(voice.groups) == set(after.groups)
    assert "mfcc_pitch" in (folder / "report.html").read_text(encoding="utf-8")
    add_trained_baselines(folder, audio=False)
    assert load_scores(folder).tasks["emotion"].baselines == after.baselines


@pytest.mark.slow
def test_predictions_of_other_rows_than_the_test_rows_are_refused(
    finished: tuple[Path, RunResult], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    manifest = load_manifest(folder / "checked.parquet")
    judged = set(splits_of(folder).ids("test"))
    others = next(s for s in make_folds(manifest, folds=3) if not judged <= set(s.ids("test")))
    others.save(folder / "splits.parquet")
    with pytest.raises(ManifestError, match="not a test row of the splits"):
        add_trained_baselines(folder, audio=False)


@pytest.mark.slow
def test_a_cross_validation_with_baselines_judges_both_on_the_same_rows(tree: Path, tmp_path: Path) -> None:
    recipe = emotion(tree, "train.max_steps=1")
    scores = crossval(recipe, tmp_path / "cv", folds=2, baselines=True)
    voice = scores["tasks"]["emotion"]["baselines"][VOICE]
    assert voice["differences"]["ua"]["num_speakers"] == 9
    stored = json.loads((tmp_path / "cv" / "scores.json").read_text(encoding="utf-8"))
    assert stored["tasks"]["emotion"]["baselines"][VOICE] == voice
    again = add_trained_baselines(tmp_path / "cv", audio=False)
    assert again.tasks["emotion"].baselines[VOICE].to_json() == voice


def splits_of(folder: Path) -> Splits:
    return load_splits(folder / "splits.parquet")
