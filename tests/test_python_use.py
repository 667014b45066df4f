"""The public names, and runs that begin in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import soritune
from soritune.corpus.manifest import Manifest
from soritune.errors import RecipeError, SorituneError, SplitError
from soritune.recipe import Recipe
from soritune.testing import tiny_config


@pytest.mark.slow
def test_importing_the_public_names_loads_no_torch_but_for_training() -> None:
    names = [name for name in soritune.__all__ if name not in ("__version__", "run")]
    code = f"import sys, soritune\nfor name in {names!r}: getattr(soritune, name)\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert len(names) <= 11
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        soritune.nothing  # noqa: B018


def recipe_of(tones: Manifest) -> Recipe:
    recipe = soritune.load_recipe("emotion-3class", [f"data={tones.path}", "data.source=manifest"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    recipe.train.max_steps, recipe.train.device, recipe.batches.num_workers = 1, "cpu", 0
    return recipe


def test_changes_inside_dicts_are_checked_before_any_file_is_written(tones: Manifest, tmp_path: Path) -> None:
    recipe = recipe_of(tones)
    recipe.tasks["emotion"]["lables"] = ["a", "b"]
    with pytest.raises(RecipeError, match="tasks.emotion.lables: unknown key; did you mean 'labels'"):
        soritune.run(recipe, tmp_path / "run")
    recipe = recipe_of(tones)
    recipe.split.ratios["train"] = 0.5
    with pytest.raises(RecipeError, match="ratios must add to 1"):
        soritune.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_on_lists_without_speakers_needs_a_random_split(tones: Manifest, tmp_path: Path) -> None:
    rows = list(tones)
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    paths = [*(tones.audio_path(row) for row in rows), bad]
    data = soritune.make_manifest(paths, emotion=[*(row.emotion for row in rows), "Kind"])
    recipe = recipe_of(tones)
    with pytest.raises(SplitError, match="no utterance has one"):
        soritune.run(recipe, tmp_path / "run", data=data)
    recipe.split.by = ("random",)
    result = soritune.run(recipe, tmp_path / "run", data=data)
    assert result.scores is not None
    assert any(text.startswith("Random split") for text in result.scores["warnings"])
    assert not result.scores["tasks"]["emotion"]["rates"]["wa"]["reliable"]
    assert "bad.wav" in (tmp_path / "run" / "quarantine.jsonl").read_text(encoding="utf-8")
    assert recipe.data.root == str(tones.path)  # the run had a copy
    again = soritune.run(recipe, tmp_path / "run", data=data, resume=True)
    assert again.training.steps == 1
    with pytest.raises(SorituneError, match="already holds a run"):
        soritune.run(recipe, tmp_path / "run", data=data)


@pytest.mark.slow
def test_noise_reduction_of_a_recipe_is_in_the_bundle_and_in_prediction(
    tones: Manifest, tmp_path: Path
) -> None:
    pytest.importorskip("noisereduce", reason="the extra 'denoise' is not installed")
    recipe = recipe_of(tones)
    recipe.preprocessing.noise_reduction = {"strength": 0.5}  # type: ignore[assignment]
    soritune.run(recipe, tmp_path / "run")
    predictor = soritune.Predictor.load(tmp_path / "run")
    assert predictor.members[0].preprocessing == recipe.preprocessing
    assert recipe.preprocessing.noise_reduction is not None


@pytest.mark.slow
def test_the_debug_log_of_a_run_has_stages_and_steps(tones: Manifest, tmp_path: Path) -> None:
    from soritune.testing import tiny_checkpoint

    encoder = tiny_checkpoint(tmp_path / "encoder", tiny_config(norm="layer"))
    command = [
        sys.executable,
        "-m",
        "soritune.cli.main",
        "--log-level",
        "DEBUG",
        "--log-file",
        tmp_path / "x.log",
        "run",
    ]
    command += ["emotion-3class", f"data={tones.path}", "data.source=manifest", f"model.encoder={encoder}"]
    command += ["train.max_steps=2", "train.device=cpu", "batches.num_workers=0", "-o", tmp_path / "run"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "x.log").read_text(encoding="utf-8")
    for line in (
        "DEBUG soritune.stages.run: settings: {",
        "INFO soritune.stages.prepare: prepare: source manifest, 36 utterances, 0 rejected",
        "INFO soritune.stages.split: split: test {",
        "DEBUG soritune.training.log: step 2 of 2: ",
        "DEBUG soritune.inference.predictor: batch of",
        "INFO soritune.training.log: test emotion: accuracy (wa)",
    ):
        assert line in log, line
    assert "accuracy (wa)" in done.stdout and "loss" in done.stdout
    assert "test emotion: accuracy (wa)" in (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
