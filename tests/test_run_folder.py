from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soritune.corpus.manifest import write_manifest
from soritune.corpus.splitting.splits import Splits
from soritune.corpus.utterance import Utterance
from soritune.errors import BundleError, UnknownNameError
from soritune.run_folder import (
    RunFolder,
    bundle_names,
    checkpoint_order,
    choose_bundle,
    crossval_of,
    is_run,
    rows_seen,
    run_of,
)


@pytest.fixture
def run(fakes, tmp_path):
    for name in ("best_loss", "last", "best_emotion_ua"):
        fakes.make_bundle(tmp_path / "run" / "bundles" / name, [fakes.emotion_task()])
    return tmp_path / "run"


def test_a_run_gives_its_best_by_metric_unless_named(run):
    assert is_run(run)
    assert bundle_names(run) == ["best_emotion_ua", "best_loss", "last"]
    assert choose_bundle(run).name == "best_emotion_ua"
    assert choose_bundle(run, "last").name == "last"


def test_without_a_best_by_metric_the_loss_decides(fakes, tmp_path):
    for name in ("best_loss", "best_phoneme_per", "last"):
        fakes.make_bundle(tmp_path / "bundles" / name, [fakes.emotion_task()])
    assert choose_bundle(tmp_path, "best").name == "best_loss"


def test_unknown_checkpoint_names_the_known(run):
    with pytest.raises(UnknownNameError, match="best_loss, last; did you mean 'last'"):
        choose_bundle(run, "lasst")


def test_epochs_are_listed_by_number_without_hidden_folders(fakes, tmp_path):
    for name in ("epoch_10", "epoch_2", "best_loss", ".epoch_1.old"):
        fakes.make_bundle(tmp_path / "bundles" / name, [fakes.emotion_task()])
    assert bundle_names(tmp_path) == ["best_loss", "epoch_2", "epoch_10"]
    assert choose_bundle(tmp_path, "epoch_2").name == "epoch_2"
    with pytest.raises(UnknownNameError, match="known: best, best_loss, epoch_10, epoch_2"):
        choose_bundle(tmp_path, "epoch_3")


def test_a_bundle_folder_is_returned_as_given(run):
    bundle = run / "bundles" / "last"
    assert choose_bundle(bundle) == bundle
    assert not is_run(bundle)
    with pytest.raises(BundleError, match="single bundle"):
        choose_bundle(bundle, "last")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BundleError, match="is not a model"):
        choose_bundle(tmp_path)
    with pytest.raises(BundleError, match="does not exist"):
        choose_bundle(tmp_path / "missing")
    (tmp_path / "run" / "bundles").mkdir(parents=True)
    with pytest.raises(BundleError, match="no finished bundle"):
        choose_bundle(tmp_path / "run")


def test_rows_a_run_has_seen_are_counted_by_id(run, tmp_path):
    rows = [Utterance(id=f"u{k}", audio="a.wav", duration_s=1.0, speaker=f"s{k}") for k in range(10)]
    manifest = write_manifest(tmp_path / "m.parquet", rows, root=tmp_path)
    bundle = run / "bundles" / "last"
    assert rows_seen([bundle], manifest) is None
    codes = np.array([0] * 6 + [1] * 2 + [2] * 2, dtype=np.int8)
    Splits(manifest.column("id").combine_chunks(), codes, {}).save(run / "splits.parquet")
    assert rows_seen([bundle], manifest) == {"train": 6, "val": 2}
    assert rows_seen([bundle], manifest.select([5, 6, 9])) == {"train": 1, "val": 1}
    other = write_manifest(tmp_path / "o.parquet", [replace(rows[0], id="new")], root=tmp_path)
    assert rows_seen([bundle], other) == {"train": 0, "val": 0}
    assert run_of(bundle) == run
    assert run_of(run) is None


def test_folders_with_results_are_named_like_the_run_itself(tmp_path):
    run = RunFolder(tmp_path)
    assert run.evaluation("children").scores() == tmp_path / "evaluation" / "children" / "scores.json"
    assert run.fold(7).predictions() == tmp_path / "fold-07" / "predictions" / "test.jsonl"
    assert run.report("-val-last") == tmp_path / "report-val-last.html"
    assert run.text_report("-val-last").stem == run.report("-val-last").stem


def test_a_checkpoint_is_a_folder_named_by_its_step(tmp_path):
    run = RunFolder(tmp_path)
    assert not run.has_checkpoint
    (run.checkpoints / "other").mkdir(parents=True)
    assert not run.has_checkpoint
    (run.checkpoints / "step-10").mkdir()
    assert run.has_checkpoint


def test_a_name_stands_for_the_latest_phase_that_has_it(fakes, tmp_path):
    for name in ("phase1_best_loss", "phase2_best_loss", "phase10_best_loss", "phase1_last"):
        fakes.make_bundle(tmp_path / "bundles" / name, [fakes.emotion_task()])
    assert choose_bundle(tmp_path, "best_loss").name == "phase10_best_loss"
    assert choose_bundle(tmp_path, "last").name == "phase1_last"
    assert choose_bundle(tmp_path).name == "phase10_best_loss"
    fakes.make_bundle(tmp_path / "bundles" / "last", [fakes.emotion_task()])
    assert choose_bundle(tmp_path, "last").name == "last"


def test_checkpoints_are_ordered_by_step_and_copy(tmp_path):
    run = RunFolder(tmp_path)
    paths = [run.checkpoint(9), run.checkpoint(10), run.checkpoint(10, copy=2), run.checkpoint(10, copy=11)]
    assert [path.name for path in paths] == ["step-9", "step-10", "step-10-2", "step-10-11"]
    assert [checkpoint_order(path) for path in paths] == [(9, 1), (10, 1), (10, 2), (10, 11)]
    assert [checkpoint_order(tmp_path / name) for name in ("step-", "step-1 (copy)", "best-1")] == [None] * 3


def test_best_weights_are_listed(tmp_path):
    run = RunFolder(tmp_path)
    files = [run.best_weights(1, 5), run.best_weights(2, 30)]
    run.checkpoints.mkdir()
    for file in (*files, run.checkpoints / "other.safetensors"):
        file.touch()
    assert run.all_best_weights() == files


def test_fold_knows_its_cross_validation(tmp_path: Path) -> None:
    folds = RunFolder(tmp_path / "folds")
    folds.path.mkdir()
    fold = folds.fold(3).path
    assert crossval_of(fold) is None
    folds.crossval.write_text("{}")
    assert crossval_of(fold) == folds.path
    assert crossval_of(folds.path / "fold") is None


def test_scores_without_a_suffix_come_first(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for name in ("-last", "", "-val"):
        run.scores(name).write_text("{}")
        talks = run.evaluation("talks")
        talks.path.mkdir(parents=True, exist_ok=True)
        talks.scores(name).write_text("{}")
    assert run.all_scores() == [run.scores(), run.scores("-val"), run.scores("-last")]
    assert run.evaluations() == [run.evaluation("talks")]
    assert RunFolder(tmp_path / "nothing").evaluations() == []
