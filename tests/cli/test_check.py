"""`soritune check` as typed: the report, shards, the encoder, and options that cannot act."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from soritune.cli import check
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import SorituneError

app = typer.Typer(pretty_exceptions_enable=False)
app.command("check")(check.check)
app.command("other")(lambda: None)


def soritune(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["check", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Six clips of a second; the text of the last one is too long for the frames of a model."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * rng.standard_normal(16000), 16000)
        text = "안녕하세요" if number < 5 else "안녕하세요 반갑습니다 " * 4
        rows.append(
            Utterance(
                id=f"u{number}", audio=f"{number}.wav", duration_s=1.0, speaker=f"s{number % 3}", text=text
            )
        )
    return write_manifest(tmp_path / "manifest.parquet", rows, root=tmp_path)


def test_report_names_its_sample_and_what_is_suspicious(manifest: Manifest, tmp_path: Path) -> None:
    answer = json.loads(
        soritune(manifest.path, "-o", tmp_path / "out", "--vad", "energy", "--vad-rows", "all", "--json")
    )
    summary = json.loads((tmp_path / "out" / "check.json").read_text(encoding="utf-8"))
    assert summary["speech_sample"] == {"detector": "energy", "utterances": 6, "share": 1.0}
    assert answer["report"] == str(tmp_path / "out" / "check.html")
    assert answer["suspicious"]["a text too long or too short for the duration"] == 1
    printed = soritune(manifest.path, "--vad", "off")
    assert "1 suspicious: a text too long or too short" in printed
    soritune(manifest.path, "-o", tmp_path / "plain", "--vad", "off", "--no-report")
    assert sorted(file.name for file in (tmp_path / "plain").iterdir()) == [
        "audio_hashes.parquet",
        "checked.parquet",
        "quarantine.jsonl",
    ]


def test_rows_that_the_encoder_cannot_spell_are_left_out(manifest: Manifest) -> None:
    options = (manifest.path, "--no-decode", "--task", "phoneme", "--json")
    assert json.loads(soritune(*options))["quarantined"] == []
    (row,) = json.loads(soritune(*options, "--encoder", "soritune/tiny-ko"))["quarantined"]
    assert row["id"] == "u5"
    assert "frames, there are 48" in row["reason"]


def test_shards_are_joined_by_the_same_command(manifest: Manifest, tmp_path: Path) -> None:
    options = (manifest.path, "-o", tmp_path / "out", "--vad", "off")
    assert "0 of 1 parts are done" in soritune(*options, "--shard", "2/2")
    assert "1 of 1 parts are done" in soritune(*options, "--shard", "1/2")
    assert not (tmp_path / "out" / "checked.parquet").exists()
    soritune(*options)
    soritune(manifest.path, "-o", tmp_path / "whole", "--vad", "off")
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes(), file.name


def test_overlap_of_splits_is_printed(manifest: Manifest, tmp_path: Path) -> None:
    make_splits(manifest, SplitSettings(by=("random",))).save(tmp_path / "splits.parquet")
    answer = json.loads(
        soritune(manifest.path, "--splits", tmp_path / "splits.parquet", "--vad", "off", "--json")
    )
    assert answer["overlap"]["test"]["recording"] == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoder", "soritune/tiny-ko"], "--encoder has no effect without --task"),
        (["--no-report"], "has no effect without --out"),
        (["--shard", "1/2"], "--shard has no effect without --out"),
        (["--restart"], "--restart has no effect without --out"),
        (["-o", "x", "--shard", "1/2", "--strict"], "--strict has no effect with --shard"),
        (["--no-decode", "--vad", "energy"], "--vad has no effect with --no-decode"),
        (["--vad", "off", "--vad-rows", "5"], "--vad-rows has no effect with --vad off"),
        (["--vad-rows", "many"], "--vad-rows expects a number of rows or all; got 'many'"),
        (["-o", "x", "--shard", "3/2"], "--shard expects I/N"),
    ],
)
def test_options_that_cannot_act_are_refused(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SorituneError, match=message):
        soritune(manifest.path, *options)
