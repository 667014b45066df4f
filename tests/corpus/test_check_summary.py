"""The summary of a check on corpora whose numbers are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import soxr

from soritune.corpus.check_parts import checked_parts
from soritune.corpus.check_summary import (
    _contradictions,
    _range,
    remarks,
    save_measures,
    summarise,
    usual_range,
)
from soritune.corpus.checks import CheckResult, check_settings, join_parts
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.row_check import CheckSettings
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance


def corpus(folder: Path) -> Manifest:
    """Ten clips of a second: two copies, and one each with a fault."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(10):
        samples = 0.1 * rng.standard_normal(16000)
        text = "가나다라"
        if number == 1:
            samples = np.clip(20 * samples, -1, 1)
        if number == 2:
            samples += 0.1
        if number == 3:
            samples = soxr.resample(soxr.resample(samples, 16000, 8000), 8000, 16000)
        if number == 4:
            samples[1000:15000] = 0
        if number == 5:
            samples *= 1e-2
        if number == 6:
            text = "가나다라" * 5
        file = folder / f"{number}.wav"
        soundfile.write(file, samples, 16000)
        if number in (8, 9):
            file.write_bytes((folder / "7.wav").read_bytes())
        if number == 0:
            file.write_bytes(b"RIFF" + bytes(100))
        rows.append(
            Utterance(
                id=f"u{number}",
                audio=f"{number}.wav",
                duration_s=1.0,
                sample_rate_hz=16000,
                speaker=f"s{number % 5}",
                text=text,
                extra={"part": "train" if number < 9 else "test"},
            )
        )
    return write_manifest(folder / "manifest.parquet", rows, root=folder)


def checked(manifest: Manifest) -> tuple[CheckResult, CheckSettings]:
    settings = check_settings(manifest, measures=True, vad="energy", vad_share=1.0)
    return join_parts(manifest, settings, checked_parts(manifest, settings, workers=1)), settings


def test_each_fault_is_found_in_its_row_alone(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    result, settings = checked(manifest)
    summary = summarise(result, settings, vad="energy")
    measures = {measure["name"]: measure for measure in summary["measures"]}
    for name, row in (
        ("clipped_share", "u1"),
        ("dc_offset", "u2"),
        ("bandwidth_hz", "u3"),
        ("silent_share", "u4"),
        ("level_dbfs", "u5"),
        ("letters_per_s", "u6"),
    ):
        measure = measures[name]
        assert [worst["id"] for worst in measure["worst"]] == [row], name
        assert measure["suspicious"] == 1
        assert measure["utterances"] == sum(measure["histogram"]["counts"]) == 9
    assert measures["letters_per_s"]["worst"][0]["value"] == 20.0
    assert measures["dc_offset"]["worst"][0]["value"] == pytest.approx(0.1, abs=3e-3)
    assert (summary["utterances"], summary["quarantined"]) == (9, 1)
    assert [(reason["kind"], reason["utterances"]) for reason in summary["reasons"]] == [("audio-damaged", 1)]
    copies = summary["copies"]
    assert (copies["groups"], copies["utterances"]) == (1, 3)
    assert [row["id"] for row in copies["largest"][0]["rows"]] == ["u7", "u8", "u9"]
    assert summary["speech_sample"] == {"detector": "energy", "utterances": 9, "share": 1.0}
    assert remarks(summary)["the same audio as another row"] == 3


def test_bandwidth_of_a_low_rate_is_not_suspicious(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 8000)
    rows = [Utterance(id="a", audio="a.wav", duration_s=1.0, sample_rate_hz=8000)]
    result, settings = checked(write_manifest(tmp_path / "m.parquet", rows, root=tmp_path))
    summary = summarise(result, settings, vad="energy")
    (bandwidth,) = (measure for measure in summary["measures"] if measure["name"] == "bandwidth_hz")
    assert bandwidth["percentiles"]["50"] <= 4250
    assert bandwidth["suspicious"] == 0


def test_overlap_of_splits_is_that_of_their_hours(tmp_path: Path) -> None:
    manifest = corpus(tmp_path)
    splits = make_splits(
        manifest, SplitSettings(given="part", copies="ignore", ratios={"train": 0.9, "test": 0.1})
    )
    result, settings = checked(manifest)
    overlap = summarise(result, settings, vad=None, splits=splits)["overlap"]
    # The only test row is u9: its speaker s4 has u4, its text is that of others, its samples are those of u7.
    assert overlap == {"test": {"speaker": 1.0, "script": 1.0, "recording": 1.0}}


def test_usual_range_is_at_least_a_factor_of_two_and_a_half() -> None:
    assert usual_range(np.full(9, 4.0)) == pytest.approx((1.6, 10.0))
    # Logarithms 0, ±ln 2: their median deviation is ln 2, so five standard deviations are 5 · 1.4826 · ln 2.
    factor = math.exp(5 * 1.4826 * math.log(2))
    assert usual_range(np.array([2.0, 4.0, 8.0])) == pytest.approx((4 / factor, 4 * factor))


def test_measures_are_stored_beside_the_clean_rows(tmp_path: Path) -> None:
    result, _ = checked(corpus(tmp_path))
    save_measures(tmp_path, result)
    table = pq.read_table(tmp_path / "measures.parquet")
    assert table.column("id").to_pylist() == [f"u{number}" for number in range(1, 10)]
    assert table.column("letters_per_s").to_pylist()[5] == 20.0
    assert table.column("clipped_share").null_count == 0


def test_metadata_that_differs_within_a_speaker_is_noted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(16000, 0.1), 16000)
    rows = [
        Utterance(id=f"u{n}", audio="a.wav", duration_s=1.0, speaker=speaker, age=age, gender="f")
        for n, (speaker, age) in enumerate([("kim", 21), ("kim", 22), ("lee", 30), ("lee", 30), (None, 5)])
    ]
    manifest = write_manifest(tmp_path / "manifest.parquet", rows, root=tmp_path)
    assert _contradictions(manifest) == {"age differs within 1 of 2 speakers": 2}


def test_histogram_of_equal_shares_stays_within_shares() -> None:
    assert _range(np.zeros(3), is_share=True) == (0.0, 0.02)
    assert _range(np.ones(3), is_share=True) == pytest.approx((0.98, 1.0))
    assert _range(np.array([0.1, 0.4]), is_share=True) == (0.1, 0.4)
    assert _range(np.full(3, 60.0), is_share=False) == (59.5, 60.5)
