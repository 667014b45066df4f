"""Failing inputs of users, kept outside the repository: models with damaged weights or other preprocessing."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soritune.corpus.manifest import Manifest
from soritune.errors import ModelError
from soritune.recipe import Recipe, load_recipe
from soritune.run_folder import RunFolder
from soritune.stages.dry_run import dry_run
from soritune.stages.run import run
from soritune.stages.start import check_start

pytestmark = pytest.mark.slow


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str], Path]:
    """A folder in which a case's `make.py` has been run; tests are skipped where the cases are missing."""

    def make(name: str) -> Path:
        folder = Path(
            os.environ.get("SORITUNE_CASES") or Path(__file__).parent.parent.parent / "shared" / "cases"
        )
        if not (folder / name).is_dir():
            pytest.skip("the cases are not here: set SORITUNE_CASES to the folder that holds them")
        for file in (folder / name).iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        subprocess.run([sys.executable, "make.py"], cwd=tmp_path, check=True, capture_output=True)
        return tmp_path

    return make


def recipe_of(folder: Path, tones: Manifest, encoder: str) -> Recipe:
    """The case's recipe with an encoder that `make.py` wrote, on tones in three classes."""
    labels = {"Anxious": 0, "Kind": 1, "Dry": 2}
    with (folder / "tones.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["audio", "speaker", "emotion"])
        for row in tones:
            writer.writerow([tones.audio_path(row), row.speaker, labels[str(row.emotion)]])
    return load_recipe(
        str(folder / "emo.yaml"), [f"data={folder / 'tones.csv'}", f"model.encoder={folder / encoder}"]
    )


def test_model_with_a_weight_that_is_nan_is_refused(case, tones: Manifest) -> None:
    folder = case("C01_nan_model")
    recipe = recipe_of(folder, tones, "nan")
    with pytest.raises(ModelError, match=r"NaN or infinite, first .*k_proj\.weight"):
        dry_run(recipe, folder / "dry")
    with pytest.raises(ModelError, match="NaN or infinite"):
        run(recipe, folder / "run")
    assert not RunFolder(folder / "run").bundles.exists()


@pytest.mark.parametrize(
    ("encoder", "stated", "own"),
    [
        ("wavlm", "normalize=false", "preprocessing.normalize=true"),
        ("w2v_8k", "sample_rate_hz=8000", "=16000"),
    ],
)
def test_other_preprocessing_of_the_encoder_is_reported(
    encoder, stated, own, case, tones: Manifest, caplog
) -> None:
    recipe = recipe_of(case("C02_preprocessor_config_ignored"), tones, encoder)
    check_start(recipe)
    assert len(caplog.records) == 1
    assert stated in caplog.text and own in caplog.text
