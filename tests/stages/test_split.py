"""Splits of a recipe, and the rows that earlier stages left out among their warnings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.stages.toy_recipes import MANIFEST

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.splits import load_splits
from soritune.errors import ManifestError, SplitError
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
        corpus_to_splits(toy(corpus, "data.max_lost_share=1"), tmp_path / "run")


def test_corpus_that_loses_most_rows_is_refused(tones: Manifest, tmp_path: Path) -> None:
    rows = [dataclasses.replace(row, emotion="Sad") if row.speaker in ("s0", "s1") else row for row in tones]
    corpus = write_manifest(tmp_path / "corpus.parquet", rows, root=tones.root).path
    with pytest.raises(ManifestError, match=r"33% of 36 utterances.*max_lost_share=0\.2.*'Sad' is not in"):
        corpus_to_splits(toy(corpus), tmp_path / "run")
    checked, _ = corpus_to_splits(toy(corpus, "data.max_lost_share=0.4"), tmp_path / "run")
    assert len(checked) == 24


def test_labels_left_out_on_purpose_are_not_lost(
    tones: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [dataclasses.replace(row, emotion="Sad") if row.speaker in ("s0", "s1") else row for row in tones]
    corpus = write_manifest(tmp_path / "corpus.parquet", rows, root=tones.root).path
    with pytest.raises(ManifestError, match=r"on purpose with tasks\.emotion\.leave_out=\[Sad\], or raise"):
        corpus_to_splits(toy(corpus), tmp_path / "refused")
    checked, splits = corpus_to_splits(
        toy(corpus, "tasks.emotion.leave_out=[Sad, Glad]"), tmp_path / "run", console=Console()
    )
    assert len(checked) == 24
    assert not any("rejected" in warning for warning in splits.policy["warnings"])
    shown = capsys.readouterr().err
    assert "check: 12 utterances have labels that the settings leave out on purpose" in shown
    assert "check: tasks.emotion.leave_out has Glad, which no utterance is labelled" in shown
    kinds = {row.kind for row in read_quarantine(tmp_path / "run" / "quarantine.jsonl")}
    assert kinds == {"label-left-out"}


def test_class_that_no_row_has_is_a_warning(tones: Manifest, tmp_path: Path) -> None:
    labels = "tasks.emotion.labels=[Anxious,Kind,Dry,Sad]"
    _, splits = corpus_to_splits(toy(tones.path, labels, "tasks.emotion.rename={Glad: Kind}"), tmp_path)
    assert splits.policy["warnings"][:2] == [
        "no utterance at all is labelled Sad, which tasks.emotion.labels contains",
        "tasks.emotion.rename has Glad, which no usable utterance is labelled",
    ]


def test_a_corpus_without_speakers_is_refused_before_a_recording_is_decoded(
    tones: Manifest, tmp_path: Path
) -> None:
    rows = [dataclasses.replace(row, speaker=None) for row in tones]
    corpus = write_manifest(tmp_path / "corpus.parquet", rows, root=tones.root).path
    with pytest.raises(SplitError, match=r"--field speaker=NAME"):
        corpus_to_splits(toy(corpus), tmp_path / "run")
    assert (tmp_path / "run" / "manifest.parquet").is_file()
    assert not (tmp_path / "run" / "checked.parquet").exists()
