"""Rows that a recipe cannot learn from are left out with a reason, before any training."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from tests.stages.toy_recipes import MANIFEST

from soritune.bundles.read import load_bundle
from soritune.corpus.checks import Quarantined, read_quarantine, write_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.row_check import RowFault
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.progress import Console
from soritune.recipe import load_recipe
from soritune.stages.check import (
    check_rows,
    geometry_of_recipe,
    pronounced_text,
    row_problem,
    task_problem,
    usable_rows,
)
from soritune.tasks.task import make_task
from soritune.testing import tiny_config


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


def test_checks_count_frames_at_the_sample_rate_of_the_recipe() -> None:
    recipe = load_recipe("quickstart", ["data=x", "augment.speed=null", "preprocessing.sample_rate_hz=8000"])
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
    recipe = load_recipe("quickstart", [*start, *overrides])
    row = Utterance(id="a", audio="a.wav", duration_s=seconds, phones=("A",), emotion="a", speaker="s")
    fault = row_problem(recipe)(row)
    assert (fault is None) == (reason is None), fault
    assert reason is None or reason in str(fault)


@pytest.mark.slow
def test_frames_are_counted_without_torch() -> None:
    code = (
        "import sys; from soritune.recipe import load_recipe; from soritune.stages.check import row_problem; "
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


def test_labels_that_lose_characters_are_reported_once(
    tones: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["좋아요👍", "또👍", "네"]
    rows = [dataclasses.replace(row, text=text, phones=None) for row, text in zip(tones, texts, strict=False)]
    manifest = write_manifest(tmp_path / "manifest.parquet", rows, root=tones.root)
    recipe = load_recipe("child-phoneme", [*MANIFEST, f"data={tones.path}"])
    recipe.model.random_weights = True
    recipe.model.architecture = tiny_config(norm="layer")
    usable_rows(recipe, manifest, console=Console())
    assert capsys.readouterr().err.replace("\n", " ").count("2 of 3 texts have characters") == 1


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


def test_clean_rows_and_reasons_are_written_and_earlier_reasons_are_kept(tmp_path: Path) -> None:
    """A second check replaces the reasons of its own rows; those of `prepare` and of other rows stay."""
    manifest = write_manifest(tmp_path / "manifest.parquet", ROWS, root=tmp_path)
    earlier = [
        Quarantined("gone", "gone.wav", "does not exist", "prepare"),
        Quarantined("sad", "b.wav", "an older reason", "check"),
        Quarantined("other", "o.wav", "of another manifest", "check"),
    ]
    write_quarantine(tmp_path / "quarantine.jsonl", earlier)
    problems = [task_problem(make_task("emotion", {"labels": ["Kind", "Dry"]}))]
    result = check_rows(manifest, tmp_path, problems, decode=False)
    assert result.clean.ids == load_manifest(tmp_path / "checked.parquet").ids == ["kind"]
    assert [row.id for row in result.quarantined] == ["sad", "none"]
    written = read_quarantine(tmp_path / "quarantine.jsonl")
    assert [row.id for row in written] == ["gone", "other", "sad", "none"]
    assert "older" not in written[2].reason


def test_a_check_into_another_folder_starts_a_new_quarantine(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "manifest.parquet", ROWS, root=tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    write_quarantine(out / "quarantine.jsonl", [Quarantined("old", "old.wav", "x", "prepare")])
    check_rows(manifest, out, [task_problem(make_task("emotion", {"labels": ["Kind", "Sad"]}))], decode=False)
    assert [row.id for row in read_quarantine(out / "quarantine.jsonl")] == ["none"]


def test_a_check_without_a_folder_writes_nothing(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "manifest.parquet", ROWS, root=tmp_path)
    assert len(check_rows(manifest, None, [], decode=False).clean) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.parquet"]


def test_a_manifest_without_a_usable_row_is_refused_after_the_reasons_are_written(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "manifest.parquet", ROWS, root=tmp_path)
    problems = [task_problem(make_task("emotion", {"labels": ["A", "B"]}))]
    with pytest.raises(
        ManifestError, match=r"manifest\.parquet: none of its 3 utterances can be used; the first: "
    ):
        check_rows(manifest, tmp_path, problems, decode=False)
    assert len(read_quarantine(tmp_path / "quarantine.jsonl")) == 3
    assert not (tmp_path / "checked.parquet").exists()
