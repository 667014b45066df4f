"""Options that cannot act are refused if they were written, and only then."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.corpus.manifest import Manifest
from soritune.errors import RecipeError, SorituneError
from soritune.run_folder import RunFolder


def fault(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, SorituneError), result.output
    return str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "quickstart", "--memory-gb", "4"], "--memory-gb has no effect without --find-batch"),
        (["run", "quickstart", "--dry-run", "--resume"], "--resume has no effect with --dry-run"),
        (["run", "quickstart", "--dry-run", "--find-batch"], "--find-batch has no effect with --dry-run"),
        (["run", "quickstart", "--find-batch", "-o", "x"], "--output has no effect with --find-batch"),
        (["run", "child-phoneme", "--phase", "1", "train.phase=2"], "--phase and train.phase are both given"),
        (["train", "quickstart", "--memory-gb", "4"], "--memory-gb has no effect without --find-batch"),
        (["train", "quickstart", "--resume", "--find-batch"], "--resume has no effect with --find-batch"),
        (["crossval", "quickstart", "split.by=speaker"], "split.by: has no effect in `crossval`"),
        (["crossval", "quickstart", "split.given=part"], "split.given: has no effect in `crossval`"),
        (
            ["check", "m.jsonl", "--set", "emotion.labels=[a,b]"],
            "--set emotion.… has no effect.*--task emotion",
        ),
        (
            ["split", "m.jsonl", "-o", "s.parquet", "--given", "s", "--seed", "1"],
            "--seed has no effect with --given",
        ),
        (
            ["split", "m.jsonl", "-o", "s.parquet", "--given", "s", "--random"],
            "--random has no effect with --given",
        ),
        (
            ["split", "m.jsonl", "-o", "s.parquet", "--random", "--by", "speaker"],
            "--by has no effect with --random",
        ),
        (
            ["split", "m.jsonl", "-o", "s.parquet", "--random", "--stratify", "age"],
            "--stratify has no effect with",
        ),
        (
            ["split", "m.jsonl", "-o", "s.parquet", "--given", "s", "--ratios", "0.7,0.2,0.1"],
            "--ratios has no effect",
        ),
        (
            ["folds", "m.jsonl", "-o", "f", "--script-blocks", "2"],
            "--script-blocks has no effect without script",
        ),
        (
            ["synthesize", "out", "--hours", "1", "--set", "hours=2"],
            "--hours has no effect beside --set hours",
        ),
        (["sources", "--json", "preview", "csv", "x"], "--json has no effect before `preview`"),
        (["predict", "a.wav", "--split", "val"], "--split has no effect without --splits"),
        (["predict", "a.wav", "--checkpoint", "best"], "--checkpoint has no effect without a run folder"),
        (
            ["predict", "a.wav", "-b", "soritune/tiny-ko", "--checkpoint", "best"],
            "--checkpoint has no effect without",
        ),
        (["evaluate", "r", "--data", "d", "--split", "val"], "--split has no effect with --data"),
        (["evaluate", "r", "--data", "d", "--root", "x"], "--root has no effect with --data"),
        (
            ["evaluate", "r", "--manifest", "m", "--split", "test"],
            "--split has no effect with --manifest and without",
        ),
        (
            ["evaluate", "soritune/tiny-ko", "--checkpoint", "best"],
            "--checkpoint has no effect for a single bundle",
        ),
        (["report", "r", "--no-audio", "--audio-root", "x"], "--audio-root has no effect with --no-audio"),
        (["model-info", "soritune/tiny-ko", "model.dropout=0"], "overrides and --preset are for recipes"),
    ],
)
def test_option_that_cannot_act_is_refused(arguments: list[str], expected: str) -> None:
    assert re.search(expected, fault(*arguments))


def test_defaults_are_not_refused(tones: Manifest, tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    result = CliRunner().invoke(app, ["split", str(tones.path), "-o", str(out), "--random", "--seed", "3"])
    assert result.exit_code == 0, result.output
    done = CliRunner().invoke(
        app, ["folds", str(tones.path), "-o", str(tmp_path / "f"), "--by", "speaker,script"]
    )
    assert done.exit_code == 0, done.output


def test_given_split_may_lack_a_part(tones: Manifest, tmp_path: Path) -> None:
    rows = [
        {"id": row.id, "audio": str(tones.audio_path(row)), "duration_s": row.duration_s, "speaker": row.speaker,
         "part": "train" if row.speaker in ("s0", "s1", "s2") else "val"}
        for row in tones
    ]  # fmt: skip
    manifest = tmp_path / "m.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = [
        "split",
        str(manifest),
        "-o",
        str(tmp_path / "s.parquet"),
        "--given",
        "part",
        "--ratios",
        "0.9,0.1,0",
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0


def test_phase_alone_is_taken(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "child-phoneme", "--phase", "1", "-o", str(tmp_path)])
    assert isinstance(result.exception, RecipeError) and "data.root: missing" in str(result.exception)
    assert not RunFolder(tmp_path).bundles.exists()


def test_constant_that_no_row_takes_is_reported(tones: Manifest, caplog: pytest.LogCaptureFixture) -> None:
    CliRunner().invoke(app, ["check", str(tones.path), "--no-decode", "--constant", "source=mine"])
    assert "--constant source=mine is used in no row" in caplog.text
    caplog.clear()
    CliRunner().invoke(app, ["check", str(tones.path), "--no-decode", "--constant", "first_language=ko"])
    assert "--constant" not in caplog.text


def test_architecture_of_loaded_weights_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    CliRunner().invoke(app, ["run", "quickstart", "data=/nowhere", "model.architecture.hidden_size=8"])
    assert "model.architecture.hidden_size has no effect in training" in caplog.text
    caplog.clear()
    CliRunner().invoke(app, ["run", "quickstart", "data=/nowhere", "model.architecture={}"])
    assert "has no effect" not in caplog.text


def test_settings_of_a_corpus_are_reported_by_train_and_do_not_stop_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared = ["data.max_lost_share=0.5", "split.seed=1"]
    missing = tmp_path / "checked.parquet"
    with caplog.at_level(logging.WARNING):
        assert str(missing) in fault("train", "quickstart", *shared, "--manifest", missing)
    told = [record.getMessage() for record in caplog.records]
    assert [message for message in told if "`train`" in message] == [
        "data.max_lost_share has no effect in `train`, which reads ready splits; --splits names others",
        "split.seed has no effect in `train`, which reads ready splits; --splits names others",
    ]
