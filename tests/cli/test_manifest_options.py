"""What the corpus verbs print of a manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from soritune.cli.manifest_options import counts_text, loaded_manifest, manifest_counts
from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance


def test_constant_fills_rows_without_a_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        Utterance(id="a", audio="a.wav", duration_s=1800.0, speaker="s"),
        Utterance(id="b", audio="b.wav", duration_s=1800.0),
    ]
    file = write_manifest(tmp_path / "m.jsonl", rows, root=tmp_path).path
    assert file is not None
    manifest = loaded_manifest(file, None, None, ["speaker=t"])
    assert manifest.column("speaker").to_pylist() == ["s", "t"]
    assert counts_text(manifest_counts(manifest)) == "2 utterances, 1.00 h, 2 speakers"
    assert not caplog.records
    loaded_manifest(file, None, None, ["id=x"])
    assert "--constant id=x is used in no row" in caplog.text
