from __future__ import annotations

import subprocess
import sys

import pytest

from soritune.bundles.read import load_bundle
from soritune.corpus.checks import RowFault
from soritune.corpus.utterance import Utterance
from soritune.recipe import load_recipe
from soritune.stages.check import geometry_of_recipe, row_problem


def test_checks_count_frames_as_the_packaged_model_does() -> None:
    """One second gives the model of the package 48 frames, and 49 by the kernels of published wav2vec2 models."""
    recipe = load_recipe("quickstart", ["data=x", "augment.speed=null"])
    assert geometry_of_recipe(recipe) == load_bundle("soritune/tiny-ko").geometry
    alternating = ["A", "O"] * 24
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=(*alternating, "A"), speaker="s")
    fault = row_problem(recipe)(row)
    assert fault == RowFault("49 phoneme symbols need 49 frames, there are 48", "target-unlearnable:phoneme")
    fits = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=tuple(alternating), speaker="s")
    assert row_problem(recipe)(fits) is None


def test_checks_count_frames_at_the_recipe_s_sample_rate() -> None:
    recipe = load_recipe("quickstart", ["data=x", "augment.speed=null", "preprocessing.sample_rate_hz=8000"])
    # Kernels 64, 8, 4, 4 and strides 16, 5, 2, 2 over 8,000 samples: 497, 98, 48 and 23 frames.
    assert geometry_of_recipe(recipe).num_frames(8000) == 23
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=tuple("AO" * 12), speaker="s")
    fault = row_problem(recipe)(row)
    assert fault == RowFault("24 phoneme symbols need 24 frames, there are 23", "target-unlearnable:phoneme")


@pytest.mark.slow
def test_frames_are_counted_without_torch() -> None:
    code = (
        "import sys; from soritune.recipe import load_recipe; from soritune.stages.check import row_problem; "
        "row_problem(load_recipe('quickstart', ['data=x'])); "
        "sys.exit(len({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
