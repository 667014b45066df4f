"""`soritune manifest-to` as typed: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from tests.conftest import write_tones
from typer.testing import CliRunner

from soritune.cli.manifest_to import manifest_to
from soritune.corpus.manifest import load_manifest, write_manifest
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.errors import OutputError, UnknownNameError

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(manifest_to)


def soritune(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    rows = write_tones(tmp_path / "corpus", speakers=3, per_style=1)
    write_manifest(tmp_path / "corpus" / "m.parquet", rows, root=tmp_path / "corpus")
    return tmp_path / "corpus" / "m.parquet"


def test_rows_are_written_and_counted(manifest: Path, tmp_path: Path) -> None:
    text = soritune("nemo", manifest, "-o", tmp_path / "out")
    assert text.splitlines()[0].startswith("9 utterances, ")
    assert len((tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()) == 9


def test_splits_are_written_apart(manifest: Path, tmp_path: Path) -> None:
    settings = SplitSettings(by=("speaker",), ratios={"train": 0.5, "val": 0.0, "test": 0.5})
    make_splits(load_manifest(manifest), settings).save(tmp_path / "splits.parquet")
    text = soritune(
        "kaldi", manifest, "--splits", tmp_path / "splits.parquet", "-o", tmp_path / "out", "--json"
    )
    answer = json.loads(text)
    assert sum(answer["utterances"].values()) == 9 and set(answer["utterances"]) == {"train", "test"}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test", "train"]


def test_unknown_layout_and_used_folder_are_refused(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="hf-datasets, kaldi, lhotse, nemo"):
        soritune("espnet", manifest, "-o", tmp_path / "out")
    with pytest.raises(OutputError, match="exists and is not an empty folder"):
        soritune("nemo", manifest, "-o", manifest.parent)
