"""`soritune augment` as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.errors import SorituneError


def soritune(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["augment", *map(str, arguments)], env={"COLUMNS": "160"})
    assert result.exception is None or isinstance(result.exception, (SystemExit, SorituneError)), (
        result.exception
    )
    return result


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    time = np.arange(8000) / 16000
    soundfile.write(tmp_path / "clip.wav", 0.3 * np.sin(2 * np.pi * 200 * time), 16000)
    return tmp_path / "clip.wav"


def test_examples_of_a_recipe_are_written_and_listed(clip: Path, tmp_path: Path) -> None:
    arguments = [
        clip,
        "--out",
        tmp_path / "out",
        "--recipe",
        "emotion-3class",
        "--preset",
        "basic-augmentation",
    ]
    done = soritune(*arguments, "--set", "augment.one_of.among.gain=null", "--json")
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert [example["name"] for example in result["examples"]] == ["gaussian_noise", "stretch", "pitch"]
    assert Path(result["page"]).is_file() and result["left_out"] == {}
    assert all((tmp_path / "out" / example["audio"]).is_file() for example in result["examples"])


def test_setting_is_applied_and_lines_name_the_values(clip: Path, tmp_path: Path) -> None:
    done = soritune(clip, "--out", tmp_path / "out", "--set", "gain.factor=[0.5, 0.5]")
    assert done.exit_code == 0
    assert "gain             factor 0.5" in done.stdout
    assert "noise_files      needs recordings" in done.stdout


def test_draws_of_a_recipe_are_shown_for_rows(tones: Manifest) -> None:
    arguments = ["--recipe", "emotion-3class", "--manifest", tones.path, "--rows", 12, "--epochs", 2]
    table = soritune(*arguments)
    assert table.exit_code == 0 and "augmentations drawn" in table.stdout
    rows = json.loads(soritune(*arguments, "--json").stdout)["rows"]
    assert len(rows) == 24
    changes = [len(row["augmentations"]) for row in rows]
    assert set(changes) <= {0, 1, 2} and 4 < sum(count > 0 for count in changes) < 20
    assert all(row["id"] in table.stdout for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a clip"),
        (["clip.wav"], "give a clip"),
        (["--manifest", "m.parquet"], "--manifest needs --recipe"),
        (["a.wav", "b.wav", "c.wav", "--out", "x"], "at most another one"),
        (["clip.wav", "--recipe", "emotion-4class", "--out", "x"], "the recipe has no augmentation"),
        (["clip.wav", "--out", "x", "--rows", "3"], "--rows has no effect without --manifest"),
        (["clip.wav", "--out", "x", "--preset", "overfitting"], "--preset has no effect without --recipe"),
        (
            ["--manifest", "m", "--recipe", "emotion-3class", "--seed", "1"],
            "--seed has no effect with --manifest",
        ),
        (
            ["--manifest", "m", "--recipe", "emotion-3class", "--out", "x"],
            "--out has no effect with --manifest",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str], message: str) -> None:
    assert message in str(soritune(*arguments).exception)
