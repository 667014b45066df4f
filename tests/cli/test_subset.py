"""`soritune subset` as typed: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from soritune.cli.subset import subset
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import OutputError, SplitError

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(subset)


def soritune(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Twenty speakers of an hour each, half of them female."""
    rows = [
        Utterance(
            id=f"s{n:02d}-{row}",
            audio=f"소리/{n}-{row}.wav",
            duration_s=1800.0,
            speaker=f"s{n:02d}",
            gender="fm"[n % 2],
            extra={"dialect": "서울"},
        )
        for n in range(20)
        for row in range(2)
    ]
    write_manifest(tmp_path / "말뭉치" / "manifest.jsonl", rows, root=tmp_path / "말뭉치")
    return tmp_path / "말뭉치" / "manifest.jsonl"


def test_subset_and_its_shares_are_manifests_of_whole_speakers(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "pilot.parquet"
    text = soritune(
        manifest, "--hours", 10, "--stratify", "gender", "--shares", "20,100", "--json", "-o", out
    )
    answer = json.loads(text)
    assert [part["hours"] for part in answer["subsets"]] == [2.0, 10.0]
    assert [Path(part["out"]).name for part in answer["subsets"]] == ["pilot-20.parquet", "pilot.parquet"]
    assert all(part["distances"] == {"gender": 0.0} for part in answer["subsets"])
    whole, small = load_manifest(out), load_manifest(out.with_name("pilot-20.parquet"))
    assert (len(whole), len(small)) == (20, 4)
    every = {row.id: row for row in load_manifest(manifest)}
    assert [row.id for row in whole] == [name for name in every if name in set(whole.ids)]
    assert all(row == every[row.id] for row in whole) and set(small.ids) < set(whole.ids)
    assert whole.audio_path(whole.utterance(0)).parent == manifest.parent / "소리"


def test_table_gives_hours_speakers_and_distances(manifest: Path, tmp_path: Path) -> None:
    text = soritune(manifest, "--hours", 1, "--stratify", "gender", "-o", tmp_path / "pilot.parquet")
    row = next(line for line in text.splitlines() if "pilot.parquet" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        "pilot.parquet",
        "100 %",
        "2",
        "1.00",
        "1",
        "0.500",
    ]


def test_tolerance_allows_more_than_asked(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="no set of whole speakers with 1.5 to 1.575 h"):
        soritune(manifest, "--hours", 1.5, "-o", tmp_path / "pilot.parquet")
    soritune(manifest, "--hours", 1.5, "--tolerance", 40, "-o", tmp_path / "pilot.parquet")
    assert load_manifest(tmp_path / "pilot.parquet").hours == pytest.approx(2.0)


@pytest.mark.parametrize("shares", ["", "0,100", "10;30", "10,300", "all"])
def test_shares_that_are_not_percentages_are_refused(shares: str, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="--shares expects percentages"):
        soritune(manifest, "--hours", 1, "--shares", shares, "-o", tmp_path / "pilot.parquet")


def test_outputs_other_than_a_new_parquet_file_are_refused(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"written as \.parquet"):
        soritune(manifest, "--hours", 1, "-o", tmp_path / "pilot.jsonl")
    whole = tmp_path / "all.parquet"
    soritune(manifest, "--hours", 20, "-o", whole)
    with pytest.raises(OutputError, match="is the manifest itself"):
        soritune(whole, "--hours", 1, "-o", whole)
