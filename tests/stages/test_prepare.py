"""A recipe's corpus becomes a manifest, and its audio paths begin at the corpus."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.stages.toy_recipes import MANIFEST

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.recipe import load_recipe
from soritune.stages.prepare import prepare_corpus, root_of


def test_manifest_and_quarantine_are_written_and_rejections_are_logged(
    tones: Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = tones.root / "bad.wav"
    rows = [tones.utterance(0), Utterance(id="bad", audio=bad.name, speaker="s0", duration_s=1.0)]
    corpus = write_manifest(tmp_path / "corpus.parquet", rows, root=tones.root).path
    recipe = load_recipe("emotion-3class", [*MANIFEST, f"data={corpus}"])
    with caplog.at_level(logging.DEBUG, logger="soritune.stages.prepare"):
        prepared = prepare_corpus(recipe, tmp_path / "run")
    assert prepared.ids == load_manifest(tmp_path / "run" / "manifest.parquet").ids == [rows[0].id]
    assert [row.stage for row in read_quarantine(tmp_path / "run" / "quarantine.jsonl")] == ["prepare"]
    assert "prepare: source manifest, 1 utterances, 1 rejected" in caplog.messages
    assert any(text.startswith("prepare: bad left out: ") for text in caplog.messages)


def test_audio_paths_begin_at_the_folder_of_the_corpus(tmp_path: Path) -> None:
    recipe = load_recipe("emotion-3class", [f"data={tmp_path}"])
    assert root_of(recipe) == tmp_path
    recipe.data.root = None
    assert root_of(recipe) is None
