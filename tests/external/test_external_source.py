"""A corpus layout in one file of another package: previewed, prepared and trained on by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import STYLES, write_tones
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.corpus.manifest import load_manifest
from soritune.testing import tiny_config

pytestmark = pytest.mark.slow

PAIRS = '''
"""A corpus of another package: `list.txt` with lines of file, speaker and style between semicolons."""

from pathlib import Path

from pydantic import Field

from soritune.corpus.reading.outcomes import Rejected
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.sources.source import Source
from soritune.corpus.utterance import Utterance


class Config(SourceConfig):
    separator: str = Field(";", min_length=1)
    """Between the parts of a line."""


def read_corpus(root, config):
    """Utterances of every line; one without three parts is rejected."""
    for number, line in enumerate((Path(root) / "list.txt").read_text(encoding="utf-8").splitlines(), 1):
        parts = line.split(config.separator)
        if len(parts) != 3:
            reason = f"has {len(parts)} parts, not 3"
            yield Rejected(id=f"line {number}", audio="", reason=reason, kind="line-parts")
            continue
        name, speaker, style = parts
        yield Utterance(id=name, audio=name, duration_s=0.0, speaker=speaker, emotion=style)


SOURCE = Source(Config, read_corpus, "list.txt with file, speaker and style")
'''


def call(*arguments: str | Path) -> str:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(each) for each in arguments])
    assert done.exit_code in (0, 1), done.output
    return done.output


def test_a_source_of_another_package_is_one_of_ours(
    external_package: Callable[[str, str, str], Path], tmp_path: Path
) -> None:
    external_package("soritune.corpus.sources", "semicolons", PAIRS)
    rows = write_tones(tmp_path)
    lines = [f"{row.audio};{row.speaker};{row.emotion}" for row in rows]
    (tmp_path / "list.txt").write_text("\n".join([*lines, "only two;parts"]), encoding="utf-8")
    assert "semicolons" in call("sources")
    assert "has 2 parts, not 3" in call("sources", "preview", "semicolons", tmp_path)
    call("prepare", "semicolons", tmp_path, "--out", tmp_path / "out")
    manifest = load_manifest(tmp_path / "out" / "manifest.parquet")
    assert len(manifest) == 36
    assert manifest.utterance(0).duration_s == pytest.approx(rows[0].duration_s, abs=1e-3)
    settings = [
        f"data={tmp_path}", "data.source=semicolons", "split.by=[speaker]", "split.given=null", "split.stratify=[]",
        f"tasks.emotion.labels={list(STYLES)}", "model.random_weights=true", "train.max_steps=2", "train.device=cpu",
        f"model.architecture={json.dumps(tiny_config())}", "batches.num_workers=0", "train.precision=fp32",
    ]  # fmt: skip
    printed = call("run", "emotion-3class", *settings, "-o", tmp_path / "run", "--json")
    assert json.loads(printed.splitlines()[-1])["training"]["steps"] == 2
    quarantine = (tmp_path / "run" / "quarantine.jsonl").read_text(encoding="utf-8")
    assert "has 2 parts, not 3" in quarantine
