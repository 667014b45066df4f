from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.errors import RecipeError

RUNNER = CliRunner()


def test_exported_folder_predicts(tiny_ko: str, tmp_path: Path) -> None:
    words = ["export", "sherpa", tiny_ko, "-o", str(tmp_path / "out"), "--older", "--json"]
    done = RUNNER.invoke(app, words, catch_exceptions=False)
    facts = json.loads(done.stdout)
    assert (facts["folder"], facts["output"], facts["exporter"]) == (
        str(tmp_path / "out"), "phoneme", "legacy"
    )  # fmt: skip


def test_options_are_the_settings_of_the_format(tiny_ko: str, tmp_path: Path) -> None:
    words = ["export", "onnx", tiny_ko, "-o", str(tmp_path / "out")]
    for more, message in (
        (["--force"], "force has no effect without int8"),
        (["--max-loss", "0.3"], "max_loss has no effect without int8"),
        (["--int8"], "give data, a manifest with references"),
    ):
        with pytest.raises(RecipeError, match=message):
            RUNNER.invoke(app, [*words, *more], catch_exceptions=False)
    assert not (tmp_path / "out").exists()
