"""Splits of a recipe, and the rows that earlier stages left out among their warnings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.stages.toy_recipes import MANIFEST

from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.errors import SplitError
from soritune.progress import Console
from soritune.recipe import Recipe, load_recipe
from soritune.stages.split import corpus_to_splits
from soritune.testing import tiny_config


def toy(corpus: Path | None, *overrides: str) -> Recipe:
    recipe = load_recipe("emotion-3class", [*MANIFEST, f"data={corpus}", *overrides])
    recipe.model.random_weights, recipe.model.architecture = True, tiny_config(norm="layer")
    return recipe


def test_a_corpus_is_prepared_checked_and_split(tones: Manifest, tmp_path: Path) -> None:
    checked, splits = corpus_to_splits(toy(tones.path, "split.by=[speaker]"), tmp_path)
    assert len(checked) == 36
    assert load_manifest(tmp_path / "checked.parquet").ids == checked.ids
    assert load_splits(tmp_path / "splits.parquet").ids("test") == splits.ids("test")
    assert sum(len(splits.indices(checked, name)) for name in ("train", "val", "test")) == 36


def test_rows_left_out_are_among_the_warnings_of_the_splits(
    tones: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        dataclasses.replace(row, emotion="Sad") if number < 3 else row for number, row in enumerate(tones)
    ]
    corpus = write_manifest(tmp_path / "corpus.parquet", rows, root=tones.root).path
    _, splits = corpus_to_splits(toy(corpus), tmp_path / "run", console=Console())
    assert splits.policy["warnings"][0].startswith("of 36 utterances 3 ")
    assert (
        load_splits(tmp_path / "run" / "splits.parquet")
        .policy["warnings"][0]
        .startswith("of 36 utterances 3 ")
    )
    assert "split: of 36 utterances 3 " in capsys.readouterr().err


def test_an_empty_split_is_reported_with_the_rows_left_out(tones: Manifest, tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, emotion="Kind" if row.speaker == "s0" else "Sad") for row in tones]
    corpus = write_manifest(tmp_path / "corpus.parquet", rows, root=tones.root).path
    with pytest.raises(SplitError, match=r"; of 36 utterances 30 .*quarantine\.jsonl"):
        corpus_to_splits(toy(corpus), tmp_path / "run")
