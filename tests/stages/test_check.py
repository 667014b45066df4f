"""Rows that cannot be used are left out with a reason, before any training; a check writes its files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.stages.toy_recipes import MANIFEST

from soritune.corpus.checks import Quarantined, read_quarantine, write_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.progress import Console
from soritune.recipe import load_recipe
from soritune.stages.check import check_rows, usable_rows
from soritune.stages.row_problems import task_problem
from soritune.tasks.task import make_task
from soritune.testing import tiny_config


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


def test_a_recipe_that_has_not_chosen_its_source_checks_prepared_rows(
    tones: Manifest, tmp_path: Path
) -> None:
    """`quickstart` has the source `auto`; `train_recipe` receives a manifest and nothing to choose by."""
    texts = ["b/ 네", "n/ 그래요", "네"]
    rows = [dataclasses.replace(row, text=text, phones=None) for row, text in zip(tones, texts, strict=False)]
    manifest = write_manifest(tmp_path / "manifest.parquet", rows, root=tones.root)
    recipe = load_recipe("quickstart", ["data.config.max_marked_share=1"])
    assert recipe.data.source == "auto"
    assert len(usable_rows(recipe, manifest)[0]) == 3
    with pytest.raises(ManifestError, match="marks"):
        usable_rows(load_recipe("quickstart"), manifest)


ROWS = [
    Utterance(id="kind", audio="a.wav", duration_s=1.0, speaker="s", emotion="Kind"),
    Utterance(id="sad", audio="b.wav", duration_s=1.0, speaker="s", emotion="Sad"),
    Utterance(id="none", audio="c.wav", duration_s=1.0, speaker="s"),
]


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
