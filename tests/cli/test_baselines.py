"""`soritune baselines` as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.errors import ManifestError, SorituneError
from soritune.recipe import load_recipe
from soritune.stages.run import run
from soritune.testing import tiny_config


def soritune(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["baselines", *map(str, arguments)], env={"COLUMNS": "160"})
    assert result.exception is None or isinstance(result.exception, (SystemExit, SorituneError)), (
        result.exception
    )
    return result


@pytest.mark.slow
def test_baselines_are_shown_beside_the_model_in_all_and_by_group(tones: Manifest, tmp_path: Path) -> None:
    overrides = ["data.source=manifest", "data.config={}", "split.by=[speaker]", "train.max_steps=1"]
    recipe = load_recipe("emotion-3class", [f"data={tones.path}", "train.device=cpu", *overrides])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    run(recipe, tmp_path / "run")
    done = soritune(tmp_path / "run", "--no-audio")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in ("majority", "text_only", "mfcc_pitch"))
    assert "gender: " in done.stdout
    result = json.loads(soritune(tmp_path / "run", "--no-audio", "--json").stdout)
    baselines = result["tasks"]["emotion"]["baselines"]
    assert set(baselines["mfcc_pitch"]["groups"]) == {"gender"}


def test_a_folder_without_scores_is_refused(tmp_path: Path) -> None:
    done = soritune(tmp_path)
    assert isinstance(done.exception, ManifestError)
    assert "cannot be read as scores" in str(done.exception)
