"""Faults in one of two processes: neither hangs, both stop or continue alike, and one message states why."""

from __future__ import annotations

import numpy as np
import pytest
from tests.training.launching import TRAIN, Toy, are_alike, events, prepared_toy, state_of, weights_of

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.run_folder import RunFolder
from soritune.training.checkpoint import checkpoints

pytestmark = pytest.mark.slow(seconds=10)


@pytest.fixture(scope="module")
def toy(tones: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The corpus is already prepared."""
    return prepared_toy(tones, tmp_path_factory.mktemp("faults"))


def test_row_that_one_process_cannot_read_has_no_weight(toy: Toy) -> None:
    rows = toy.folder / "ready"
    manifest = load_manifest(rows / "checked.parquet")
    row = int(load_splits(rows / "splits.parquet").indices(manifest, "train")[0])
    bad = {"rank": 1, "what": "unreadable", "row": row}
    done = toy.run([*TRAIN, "-o", "row", "train.max_failed_share=0.5"], seen="seen-row", sabotage=bad)
    assert done.code == 0, done.err
    assert are_alike(toy.folder / "seen-row")
    assert events(toy.folder / "row", "end")[0]["step"] == 12
    quarantined = read_quarantine(toy.folder / "row" / "quarantine.jsonl")
    assert [(each.id, each.reason) for each in quarantined if each.stage == "training"] == [
        (manifest.utterance(row).id, "cannot be read on this machine")
    ]


def test_too_many_unreadable_rows_stop_both_with_one_message(toy: Toy) -> None:
    bad = {"rank": 1, "what": "unreadable", "row": "all"}
    done = toy.run([*TRAIN, "-o", "rows"], seen="seen-rows", sabotage=bad)
    assert done.code != 0
    assert len(done.errors) == 1 and "train.max_failed_share" in done.errors[0], done.err
    assert done.traces == 0


def test_step_that_is_not_finite_on_one_process_is_skipped_on_both(toy: Toy) -> None:
    bad = {"rank": 1, "what": "not_finite", "steps": [3, 7]}
    done = toy.run([*TRAIN, "-o", "nan"], seen="seen-nan", sabotage=bad)
    assert done.code == 0, done.err
    assert are_alike(toy.folder / "seen-nan")
    assert all(np.isfinite(value).all() for value in weights_of(toy.folder / "seen-nan").values())
    assert state_of(toy.folder / "nan")["non_finite_steps"] == 2
    log = (toy.folder / "nan" / "train.log").read_text(encoding="utf-8")
    assert log.count("skipped, loss or gradient not finite") == 2
    assert "step 4 skipped" in log and "step 8 skipped" in log


def test_too_many_steps_that_are_not_finite_stop_both(toy: Toy) -> None:
    bad = {"rank": 1, "what": "not_finite", "steps": list(range(12))}
    done = toy.run(
        [*TRAIN, "-o", "nans", "train.max_non_finite_steps=2", "train.log_every_steps=1"],
        seen="seen-nans",
        sabotage=bad,
    )
    assert done.code != 0
    assert len(done.errors) == 1, done.err
    assert "3 steps had a loss or gradient that is not finite, the last with rows s" in done.errors[0]
    assert done.traces == 0
    assert are_alike(toy.folder / "seen-nans")


def test_checkpoint_that_cannot_be_written_stops_both(toy: Toy) -> None:
    done = toy.run(
        [*TRAIN, "-o", "full"], seen="seen-full", sabotage={"rank": 0, "what": "full_disk", "step_of_run": 8}
    )
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1, done.err
    assert "the disk is full" in done.errors[0] and "step-4 is whole" in done.errors[0]
    assert [path.name for path in checkpoints(RunFolder(toy.folder / "full"))][-1] == "step-4"
    again = toy.run([*TRAIN, "-o", "full", "--resume"])
    assert again.code == 0, again.err


def test_start_that_fails_on_one_process_ends_the_other(toy: Toy) -> None:
    missing = {"rank": 1, "what": "missing_recipe"}
    done = toy.run([*TRAIN, "-o", "start"], sabotage=missing)
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1 and "toy.yaml" in done.errors[0], done.err
    assert not (toy.folder / "start" / "train.jsonl").exists()


def test_processes_with_different_data_do_not_train(toy: Toy) -> None:
    done = toy.run([*TRAIN, "-o", "differ"], sabotage={"rank": 1, "what": "other_seed"})
    assert done.code != 0
    assert len(done.errors) == 1 and "is not the same on all 2 processes" in done.errors[0], done.err


def test_failed_preparation_ends_all_with_one_message(toy: Toy) -> None:
    bad = {"rank": 0, "what": "slow_prepare", "seconds": 3, "fail": True}
    done = toy.run(["run", "toy.yaml", "-o", "unprepared"], sabotage=bad)
    assert done.code != 0
    assert done.traces == 0, done.err
    assert len(done.errors) == 1 and done.errors[0].endswith("the corpus disappeared while it was read")
