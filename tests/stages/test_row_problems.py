"""Why rows cannot be learnt from: by a recipe with its encoder, or by a single task."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import pytest
from tests.stages.toy_recipes import MANIFEST

from soritune.bundles.read import load_bundle
from soritune.corpus.manifest import Manifest
from soritune.corpus.row_check import RowFault
from soritune.corpus.utterance import Utterance
from soritune.recipe import load_recipe
from soritune.stages.row_problems import (
    geometry_of_encoder,
    geometry_of_recipe,
    pronounced_text,
    row_problem,
    task_problem,
)
from soritune.tasks.task import make_task
from soritune.testing import tiny_config


def test_checks_count_frames_as_the_small_packaged_model_does() -> None:
    """One second gives the small model of the package 48 frames, and 49 by the kernels of published wav2vec2 models."""
    recipe = load_recipe("quickstart", ["data=x", "augment.speed=null"], presets=["tiny-ko"])
    assert geometry_of_recipe(recipe) == load_bundle("soritune/tiny-ko").geometry
    alternating = ["A", "O"] * 24
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=(*alternating, "A"), speaker="s")
    fault = row_problem(recipe)(row)
    assert fault == RowFault("49 phoneme symbols need 49 frames, there are 48", "target-unlearnable:phoneme")
    fits = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=tuple(alternating), speaker="s")
    assert row_problem(recipe)(fits) is None


def test_checks_count_frames_at_the_sample_rate_of_the_recipe() -> None:
    overrides = ["data=x", "augment.speed=null", "preprocessing.sample_rate_hz=8000"]
    recipe = load_recipe("quickstart", overrides, presets=["tiny-ko"])
    # Kernels 64, 8, 4, 4 and strides 16, 5, 2, 2 over 8,000 samples: 497, 98, 48 and 23 frames.
    assert geometry_of_recipe(recipe).num_frames(8000) == 23
    row = Utterance(id="a", audio="a.wav", duration_s=1.0, phones=tuple("AO" * 12), speaker="s")
    fault = row_problem(recipe)(row)
    assert fault == RowFault("24 phoneme symbols need 24 frames, there are 23", "target-unlearnable:phoneme")


@pytest.mark.parametrize(
    ("overrides", "seconds", "reason"),
    [
        ([], 29.5, None),
        ([], 30.0, "lasts 30.0 s, and the encoder takes 29.5 s at most; cut the recording, or set "),
        (
            ["augment.speed={factors: [0.9, 1.1]}"],
            27.0,
            "takes 26.6 s at most when it is slowed down by the augm",
        ),
        (["preprocessing.max_duration_s=20", "tasks={emotion: {labels: [a, b]}}"], 40.0, None),
    ],
)
def test_clips_that_the_encoder_cannot_take_are_listed(
    overrides: list[str], seconds: float, reason: str | None
) -> None:
    start = [
        "data=x",
        "augment.speed=null",
        "model.random_weights=true",
        "model.architecture={model_type: whisper}",
    ]
    recipe = load_recipe("quickstart", [*start, *overrides], presets=["tiny-ko"])
    row = Utterance(id="a", audio="a.wav", duration_s=seconds, phones=("A",), emotion="a", speaker="s")
    fault = row_problem(recipe)(row)
    assert (fault is None) == (reason is None), fault
    assert reason is None or reason in str(fault)


@pytest.mark.slow
def test_frames_are_counted_without_torch() -> None:
    code = (
        "import sys; from soritune.recipe import load_recipe; from soritune.stages.row_problems import row_problem; "
        "row_problem(load_recipe('quickstart', ['data=x'])); "
        "sys.exit(len({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_that_ctc_cannot_spell_are_listed_before_the_run(tones: Manifest) -> None:
    recipe = load_recipe("child-phoneme", [*MANIFEST, f"data={tones.path}"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    problem = row_problem(recipe)
    row = tones.utterance(0)
    assert problem(row) is None
    assert "symbols need" in str(problem(dataclasses.replace(row, text="가나다라마바사" * 9)))
    assert "no symbol" in str(problem(dataclasses.replace(row, text="!?")))
    recipe.preprocessing.max_duration_s = 0.3
    assert "keeps only 0.3 s" in str(row_problem(recipe)(row))


def test_characters_of_texts_that_no_task_pronounces_are_not_counted(tones: Manifest) -> None:
    text_of = pronounced_text([make_task("emotion", {"labels": ["Kind", "Dry"]})])
    assert text_of(dataclasses.replace(tones.utterance(0), text="좋아요👍", phones=None)) is None


def test_only_rows_with_targets_in_time_must_not_be_cropped(tones: Manifest) -> None:
    labels = "tasks.emotion={labels: [Anxious, Kind, Dry]}"
    recipe = load_recipe("emotion-3class", [*MANIFEST, f"data={tones.path}", labels])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config()
    recipe.preprocessing.max_duration_s = 0.3
    assert row_problem(recipe)(tones.utterance(0)) is None


def test_a_row_in_another_language_is_left_out_with_that_reason(tones: Manifest) -> None:
    recipe = load_recipe("child-phoneme", [*MANIFEST, f"data={tones.path}", "tasks.phoneme.source=text"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    row = Utterance(id="a", audio="a.wav", duration_s=4.0, text="she had your dark suit")
    problem = row_problem(recipe)
    fault = problem(row)
    assert fault is not None and fault.kind == "label-missing"
    assert fault.reason.startswith(
        "has no label for phoneme; phoneme: its text 'she had your dark suit' is not"
    )
    assert "its language is 'eng'" in str(problem(dataclasses.replace(row, language="eng")))
    assert problem(dataclasses.replace(row, text="안녕", language="ko-KR")) is None


ROWS = [
    Utterance(id="kind", audio="a.wav", duration_s=1.0, speaker="s", emotion="Kind"),
    Utterance(id="sad", audio="b.wav", duration_s=1.0, speaker="s", emotion="Sad"),
    Utterance(id="none", audio="c.wav", duration_s=1.0, speaker="s"),
]


def test_a_row_is_checked_for_one_task() -> None:
    problem = task_problem(make_task("emotion", {"labels": ["Kind", "Dry"]}))
    assert problem(ROWS[0]) is None
    unknown = problem(ROWS[1])
    assert unknown is not None and unknown.kind == "label-unknown"
    assert "'Sad' is not in the label set" in unknown.reason
    assert problem(ROWS[2]) == RowFault(
        "has no emotion, which the task emotion needs", "field-missing:emotion"
    )


def test_rows_that_the_frames_of_an_encoder_cannot_spell_are_listed() -> None:
    """One second gives the packaged model 48 frames; 24 times the same vowel twice needs a blank between equal ones."""
    geometry = geometry_of_encoder("soritune/tiny-ko")
    problem = task_problem(make_task("phoneme", {}), geometry)
    assert geometry.num_frames(16000) == 48
    alternating = Utterance(id="a", audio="a", duration_s=1.0, phones=tuple("AO" * 24), speaker="s")
    assert problem(alternating) is None
    longer = dataclasses.replace(alternating, phones=(*tuple("AO" * 24), "A"))
    assert problem(longer) == RowFault(
        "49 phoneme symbols need 49 frames, there are 48", "target-unlearnable:phoneme"
    )
    equal = dataclasses.replace(alternating, phones=tuple("A" * 25))
    fault = problem(equal)
    assert fault is not None and fault.reason == "25 phoneme symbols need 49 frames, there are 48"
    assert task_problem(make_task("phoneme", {}))(longer) is None


def test_problems_are_sent_to_other_processes() -> None:
    recipe = load_recipe("quickstart", ["data=x", "augment.speed=null"], presets=["tiny-ko"])
    row = Utterance(id="a", audio="a.wav", duration_s=0.2, phones=tuple("AO" * 12), speaker="s")
    for problem in (row_problem(recipe), task_problem(make_task("phoneme", {}), geometry_of_recipe(recipe))):
        sent = pickle.loads(pickle.dumps(problem))
        assert sent(row) == problem(row) is not None
