"""What is refused before anything is prepared, and the folder of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.stages.toy_recipes import emotion

from soritune.audio import noise_reduction
from soritune.errors import ModelError, OutputError, RecipeError, SorituneError, TrainingError
from soritune.stages.start import check_start, open_folder
from soritune.testing import tiny_checkpoint, tiny_config


def test_a_recipe_with_data_and_a_toy_encoder_may_start(tmp_path: Path) -> None:
    check_start(emotion(tmp_path))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.root=null", "give the corpus folder as data=ROOT"),
        ("data.root=nowhere", "there is no file or folder nowhere"),
        ("data.config.colour=red", "colour"),
        ("train.device=cuda:99", "no GPU is usable|there are"),
        ("train.phase=7", "7"),
        ("evaluate.checkpoint=bestt", "'bestt', which is not kept; give one of best"),
        ("evaluate.checkpoint=epoch_1", r"not kept \(train.keep_epochs=true keeps every epoch\)"),
    ],
)
def test_a_run_that_cannot_succeed_is_refused(override: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SorituneError, match=sentence):
        check_start(emotion(tmp_path, override))


@pytest.mark.parametrize("checkpoint", ["epoch_2", "best_loss", "phase1_last", "best_loss_step40"])
def test_a_checkpoint_that_will_be_kept_is_accepted(checkpoint: str, tmp_path: Path) -> None:
    overrides = ("train.keep_epochs=true", "train.epochs=2", f"evaluate.checkpoint={checkpoint}")
    check_start(emotion(tmp_path, *overrides))


def test_an_epoch_after_the_last_one_is_refused(tmp_path: Path) -> None:
    overrides = ("train.keep_epochs=true", "train.epochs=2", "evaluate.checkpoint=epoch_3")
    with pytest.raises(RecipeError, match="epoch_1 … epoch_2"):
        check_start(emotion(tmp_path, *overrides))


@pytest.mark.parametrize("key", ["encoder", "init_from"])
def test_a_missing_encoder_is_reported_with_its_key(key: str, tmp_path: Path) -> None:
    recipe = emotion(tmp_path)
    recipe.model = recipe.model.model_copy(
        update={"random_weights": False, "architecture": None, key: str(tmp_path / "no" / "such" / "model")}
    )
    with pytest.raises(ModelError, match=f"^model.{key}: "):
        check_start(recipe)


def test_micro_batches_must_be_a_multiple_of_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soritune.stages.start.processes.count", lambda: 3)
    check_start(emotion(tmp_path, "batches.micro_batches_per_step=6"))
    with pytest.raises(
        TrainingError, match="micro_batches_per_step=4 .* by 3 processes; choose a multiple of 3"
    ):
        check_start(emotion(tmp_path, "batches.micro_batches_per_step=4"))


def test_a_new_folder_is_made_without_leftovers(tmp_path: Path) -> None:
    assert open_folder(tmp_path / "a" / "run") is False
    assert list((tmp_path / "a" / "run").iterdir()) == []


def test_bundles_of_a_start_without_a_checkpoint_are_removed(tmp_path: Path) -> None:
    (tmp_path / "bundles" / "start").mkdir(parents=True)
    assert open_folder(tmp_path) is False
    assert not (tmp_path / "bundles").exists()


def test_a_folder_with_a_checkpoint_is_resumed_only_on_request(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-3").mkdir(parents=True)
    (tmp_path / "bundles" / "last").mkdir(parents=True)
    with pytest.raises(OutputError, match="already holds a run; continue it with --resume"):
        open_folder(tmp_path)
    assert open_folder(tmp_path, resume=True) is True
    assert open_folder(tmp_path, phase=2) is True
    assert (tmp_path / "bundles" / "last").is_dir()


def test_there_is_nothing_to_resume_without_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(TrainingError, match="no whole checkpoint to resume from"):
        open_folder(tmp_path, resume=True)


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written to .*; choose another --output"):
        open_folder(tmp_path / "file" / "run")


def test_encoder_with_other_preprocessing_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = tiny_checkpoint(tmp_path / "encoder", tiny_config())
    (encoder / "preprocessor_config.json").write_text('{"do_normalize": false, "sampling_rate": 16000}')
    (tmp_path / "corpus").mkdir()
    recipe = emotion(tmp_path / "corpus")
    recipe.model = recipe.model.model_copy(
        update={"random_weights": False, "architecture": {}, "encoder": str(encoder)}
    )
    check_start(recipe)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "normalize=false, and the recipe has preprocessing.normalize=true" in record.getMessage()
    caplog.clear()
    recipe.preprocessing.normalize = False
    check_start(recipe)
    assert not caplog.records


@pytest.mark.parametrize(
    ("override", "module", "extra"),
    [
        ("preprocessing.noise_reduction=true", "noisereduce", "denoise"),
        ("train.tensorboard=true", "torch.utils.tensorboard", "track"),
        ("train.track=[wandb]", "wandb", "wandb"),
        ("train.track=[trackio]", "trackio", "trackio"),
    ],
)
def test_missing_extra_is_named_before_anything_runs(
    override: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise_reduction._library.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    try:
        with pytest.raises(SorituneError, match=rf"soritune\[{extra}\]"):
            check_start(emotion(tmp_path, override))
    finally:
        noise_reduction._library.cache_clear()


def test_a_base_without_adapters_is_refused(tmp_path: Path) -> None:
    recipe = emotion(tmp_path)
    folder = tiny_checkpoint(tmp_path / "encoder", tiny_config(norm="layer"))
    changes = {"random_weights": False, "encoder": str(folder), "base": "somewhere"}
    recipe.model = recipe.model.model_copy(update=changes)
    with pytest.raises(ModelError, match="has no adapters, so model.base has no effect"):
        check_start(recipe)
    recipe.model = recipe.model.model_copy(update={"base": None})
    check_start(recipe)


def test_missing_folder_of_recordings_is_named_before_anything_runs(tmp_path: Path) -> None:
    override = "augment={noise_files: {folder: nowhere}}"
    with pytest.raises(
        SorituneError, match=r"augment\.noise_files: the folder of recordings nowhere cannot be used"
    ):
        check_start(emotion(tmp_path, override))
