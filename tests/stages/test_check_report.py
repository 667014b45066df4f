"""The report of a check is written beside the clean rows."""

from __future__ import annotations

import json
from pathlib import Path

from soritune.corpus.manifest import Manifest, write_manifest
from soritune.stages.check import check_rows
from soritune.stages.check_report import CheckReport


def test_report_is_written_before_the_parts_are_removed(tones: Manifest, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "manifest.parquet", tones, root=tones.root)
    report = CheckReport("energy", tmp_path / "out", title="tones")
    seen: list[bool] = []

    def reports(*result: object) -> None:
        report(*result)  # type: ignore[arg-type]
        seen.append((tmp_path / "out" / "check_parts").exists())

    check_rows(
        manifest,
        tmp_path / "out",
        [],
        resumes="",
        measures=True,
        vad="energy",
        vad_share=1.0,
        reports=reports,
        workers=1,
    )
    assert seen == [True]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "audio_hashes.parquet",
        "check.html",
        "check.json",
        "checked.parquet",
        "measures.parquet",
        "quarantine.jsonl",
    ]
    summary = json.loads((tmp_path / "out" / "check.json").read_text(encoding="utf-8"))
    assert summary["schema"] == "soritune.check/1"
    assert summary["utterances"] == len(tones)
    assert report.page == tmp_path / "out" / "check.html"
