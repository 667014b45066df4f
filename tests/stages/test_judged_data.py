"""Rows without references are refused before a prediction, with the reason that the task gives."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.stages.judged_data import prepared_rows, refuse_unlabelled
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


def test_values_that_may_be_read_wrongly_are_reported(
    tones: Manifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = tmp_path / "list.csv"
    clips = [str(tones.root / row.audio) for row in tones][:3]
    table.write_text(
        "audio,speaker,emotion\n" + "".join(f"{clip},NA,Kind\n" for clip in clips), encoding="utf-8"
    )
    with caplog.at_level(logging.WARNING):
        rows, _ = prepared_rows(table, tmp_path / "out", {})
    assert len(rows) == 3
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"{table}: ") and "'NA'" in message and "(3)" in message
