"""`soritune layers` as typed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.errors import SorituneError
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow


def soritune(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["layers", *map(str, arguments)], env={"COLUMNS": "160"})
    assert result.exception is None or isinstance(result.exception, (SystemExit, SorituneError)), (
        result.exception
    )
    return result


@pytest.fixture
def recipe(tones: Manifest, tmp_path: Path) -> Path:
    content = {
        "name": "toy",
        "data": {"source": "manifest", "root": str(tones.path)},
        "split": {"by": ["speaker"], "ratios": {"train": 0.6, "val": 0.2, "test": 0.2}},
        "tasks": {"emotion": {"labels": ["Anxious", "Kind", "Dry"], "class_weights": "balanced"}},
        "model": {"encoder": "none", "random_weights": True, "architecture": tiny_config(norm="layer")},
        "batches": {"batch_size": 4, "num_workers": 0},
        "evaluate": {"resamples": 100},
        "train": {"device": "cpu"},
    }
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_table_figures_and_override_are_shown(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = [
        recipe,
        "train.epochs=3",
        "train.seed=1",
        "--folds",
        3,
        "--inner-folds",
        2,
        "-o",
        tmp_path / "out",
    ]
    with caplog.at_level(logging.WARNING):
        done = soritune(*arguments)
    assert done.exit_code == 0
    assert "to use it: tasks.emotion.layer=" in done.stdout
    assert "chosen in 3 folds" in done.stdout
    assert (tmp_path / "out" / "layers.json").is_file() and (tmp_path / "out" / "layers.svg").is_file()
    idle = [
        record.getMessage() for record in caplog.records if "has no effect in `layers`" in record.getMessage()
    ]
    assert len(idle) == 1
    assert idle[0].startswith("train.epochs ")


def test_own_split_is_judged_once_and_printed_as_json(recipe: Path, tmp_path: Path) -> None:
    done = soritune(recipe, "--split", "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert len(result["folds"]) == 1
    assert result["layers"] == ["0", "1", "2", "last"]


def test_folds_beside_the_own_split_are_refused(recipe: Path, tmp_path: Path) -> None:
    done = soritune(recipe, "--split", "--folds", 2, "-o", tmp_path / "out")
    assert "--folds has no effect with --split" in str(done.exception)
