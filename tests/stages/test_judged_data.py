"""Rows without references are refused before a prediction, with the reason that the task gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from soritune.corpus.manifest import write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.stages.judged_data import refuse_unlabelled
from soritune.tasks.phoneme import PhonemeConfig, PhonemeTask


def test_rows_without_references_are_refused_with_the_first_reason(tmp_path: Path) -> None:
    rows = [
        Utterance(id="a", audio="a.wav", duration_s=1.0, text="she had your dark suit", language="en"),
        Utterance(id="b", audio="b.wav", duration_s=1.0, text="안녕", language="ko"),
    ]
    task = PhonemeTask(PhonemeConfig())
    english = write_manifest(tmp_path / "english.parquet", rows[:1], root=tmp_path)
    with pytest.raises(
        ManifestError, match="none of 1 rows has .* 'phoneme' is judged by; .* language is 'en'"
    ):
        refuse_unlabelled([task], english)
    refuse_unlabelled([task], write_manifest(tmp_path / "both.parquet", rows, root=tmp_path))
