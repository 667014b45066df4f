"""Failing inputs of users, kept outside the repository: damaged models, and a run whose table changed."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.manifest import Manifest
from soritune.errors import ModelError
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.run_folder import RunFolder
from soritune.stages.dry_run import dry_run
from soritune.stages.run import run
from soritune.stages.start import check_start

pytestmark = pytest.mark.slow


@pytest.fixture
def case(shared_cases: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A folder with a copy of a case, in which the case's `make.py` has been run if it has one."""

    def make(name: str) -> Path:
        for file in (shared_cases / name).iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        if (tmp_path / "make.py").exists():
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


def test_changed_table_of_a_finished_run_is_reported(
    case: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = case("C09_resume_changed_data")
    table = folder / "num.csv"
    for number, row in enumerate(table.read_text(encoding="utf-8").splitlines()[1:]):
        noise = np.random.default_rng(number).normal(0, 0.1, 16000)
        soundfile.write(folder / row.split(",")[0], noise, 16000)
    (folder / "r.yaml").write_text(
        "name: emo\ndata: {source: csv}\nsplit: {by: [speaker], ratios: {train: 0.5, val: 0.25, test: 0.25}}\n"
        'tasks: {emotion: {labels: ["0", "1"]}}\nmodel: {encoder: soritune/tiny-ko}\n'
        "batches: {batch_size: 2, num_workers: 0}\ntrain: {max_steps: 2, epochs: 1, threads: 2}\n"
    )
    recipe = load_recipe(str(folder / "r.yaml"), [f"data={table}"])
    first = run(recipe, folder / "run")
    capsys.readouterr()
    table.write_text(table.read_text(encoding="utf-8").replace(",0,", ",1,"), encoding="utf-8")
    again = run(recipe, folder / "run", resume=True, console=Console())
    assert first.scores is not None and again.scores is not None
    assert again.scores.scores == first.scores.scores
    lines = capsys.readouterr().err
    assert (
        "the corpus is not read again" in lines
        and "num.csv changed after the run had read the corpus" in lines
    )
