from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.training.parts import build_run, phases_of

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest
from soritune.errors import OutputError
from soritune.run_folder import RunFolder
from soritune.training.keeping import BundleKeeper, drop_old_epochs
from soritune.training.run import TrainingRun
from soritune.training.run_progress import Progress

PHASES = [{"name": "first"}, {"name": "second"}]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tones: Manifest) -> TrainingRun:
    return build_run(tmp_path_factory.mktemp("keeping"), tones, ema={"decay": 0.9}, phases=PHASES)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def keeper_of(run: TrainingRun, folder: RunFolder, number: int = 2) -> BundleKeeper:
    phase = phases_of(run)[number - 1]
    return BundleKeeper(run.model, run.tasks, run.preprocessing, {"license": "MIT"}, folder, phase)


def training_of(bundle: Path) -> dict[str, Any]:
    card = load_bundle(bundle).card
    assert card["license"] == "MIT"
    return dict(card["training"])


def names(folder: RunFolder) -> set[str]:
    return {path.name for path in folder.bundles.iterdir()}


def test_card_describes_step_phase_and_weights(run: TrainingRun, folder: RunFolder) -> None:
    progress = Progress(step=7, epoch=2, step_in_epoch=3, steps_of_epoch=4)
    values = {"loss": 0.5, "emotion/ua": float("nan")}
    keeper_of(run, folder, 1).save("last", values, progress, averaged=True)
    keeper_of(run, folder).save("last_raw", {}, progress, averaged=False)
    common = {"step": 7, "epochs_done": 2.75, "phases": 2, "new_parts": ["head emotion", "head phoneme"]}
    assert training_of(folder.bundle("phase1_last")) == {
        **common,
        "metrics": {"loss": 0.5},
        "weights": "ema",
        "ema_decay": 0.9,
        "phase": 1,
        "phase_name": "first",
    }
    assert training_of(folder.bundle("last_raw")) == {
        **common,
        "metrics": {},
        "weights": "raw",
        "phase": 2,
        "phase_name": "second",
    }


def test_start_has_no_prefix_of_a_phase(run: TrainingRun, folder: RunFolder) -> None:
    keeper_of(run, folder, 1).save_start({"loss": 1.0}, Progress())
    assert names(folder) == {"start"}
    assert training_of(folder.bundle("start"))["metrics"] == {"loss": 1.0}


def test_best_two_are_renamed_as_better_ones_come(run: TrainingRun, folder: RunFolder) -> None:
    """Losses 3, 1, 2, 0 at steps 1 to 4: the best two are 1 and 2 after step 3, 0 and 1 after step 4."""
    keeper = keeper_of(run, folder)
    kept: list[list[float]] = []
    for step, loss in enumerate([3.0, 1.0, 2.0, 0.0], start=1):
        kept = sorted([*kept, [loss, step, loss]])[:2]
        rank = kept.index([loss, step, loss])
        progress = Progress(step=step, kept={"loss": kept})
        keeper.save_best({"best_loss": "loss"}, {"loss": rank}, {"loss": loss}, progress, averaged=False)
        if step == 3:
            assert names(folder) == {"best_loss", "best_loss_step3"}
    assert names(folder) == {"best_loss", "best_loss_step2"}
    assert [training_of(folder.bundle(name))["step"] for name in ("best_loss", "best_loss_step2")] == [4, 2]


def test_value_that_is_not_among_the_best_saves_nothing(run: TrainingRun, folder: RunFolder) -> None:
    keeper = keeper_of(run, folder)
    keeper.save_best({"best_loss": "loss"}, {}, {"loss": 9.0}, Progress(), averaged=False)
    assert not folder.bundles.exists()


def test_renaming_is_repeated_after_a_kill_in_between(run: TrainingRun, folder: RunFolder) -> None:
    """The best of step 1 was already renamed when the process was killed; step 2 is evaluated again."""
    keeper = keeper_of(run, folder)
    keeper.save("best_loss_step1", {}, Progress(step=1), averaged=False)
    progress = Progress(step=2, kept={"loss": [[1.0, 2, 1.0], [2.0, 1, 2.0]]})
    keeper.save_best({"best_loss": "loss"}, {"loss": 0}, {"loss": 1.0}, progress, averaged=False)
    assert names(folder) == {"best_loss", "best_loss_step1"}
    assert training_of(folder.bundle("best_loss_step1"))["step"] == 1


@pytest.mark.parametrize(
    ("keep", "expected"), [(True, {"epoch_1", "epoch_2", "epoch_3"}), (2, {"epoch_2", "epoch_3"})]
)
def test_all_or_the_newest_epochs_are_kept(
    run: TrainingRun, folder: RunFolder, keep: bool | int, expected: set[str]
) -> None:
    for epoch in range(3):
        keeper_of(run, folder).save_epoch(keep, {}, Progress(epoch=epoch), averaged=False)
    assert names(folder) == expected


def test_fields_are_added_to_the_cards_of_existing_bundles(run: TrainingRun, folder: RunFolder) -> None:
    keeper = keeper_of(run, folder)
    keeper.save("last", {}, Progress(step=5), averaged=False)
    keeper.note(["last", "missing"], metrics_of_all_rows={"loss": 2.0})
    training = training_of(folder.bundle("last"))
    assert (training["step"], training["metrics_of_all_rows"]) == (5, {"loss": 2.0})
    assert names(folder) == {"last"}


def test_failed_write_advises_to_resume(
    run: TrainingRun, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    checkpoint = folder.checkpoint(40)
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").write_text("{}")
    monkeypatch.setattr("soritune.bundles.write.save_file", full)
    with pytest.raises(OutputError) as caught:
        keeper_of(run, folder).save("last", {}, Progress(), averaged=False)
    assert str(caught.value) == (
        f"{folder.bundle('last')} cannot be written (the disk is full); step-40 is whole, make room and "
        "continue from it with --resume"
    )


def test_old_epochs_are_dropped_by_number(tmp_path: Path) -> None:
    for name in (
        "epoch_1",
        "epoch_2",
        "epoch_10",
        "phase1_epoch_1",
        "best_loss",
        "epoch_last",
        ".epoch_3.old",
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "soritune.json").write_text("{}", encoding="utf-8")
    drop_old_epochs(tmp_path, 2)
    left = {"epoch_10", "phase1_epoch_1", "best_loss", "epoch_last", ".epoch_3.old"}
    assert {folder.name for folder in tmp_path.iterdir()} == left
    drop_old_epochs(tmp_path, 2, "phase1_")
    assert {folder.name for folder in tmp_path.iterdir()} == left - {"phase1_epoch_1"}
