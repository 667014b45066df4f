"""What an earlier call left is checked before a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import typer

from soritune.cli.resumption import Resumption, print_kept
from soritune.errors import OutputError
from soritune.inference.header import Header
from soritune.inference.predictions import write_predictions

CONTENT: dict[str, Any] = {
    "schema": "soritune.predictions/1",
    "created": "2026-01-01T00:00:00+00:00",
    "bundle": {"sha256": "a"},
    "bundles": [{"sha256": "a"}],
    "min_confidence": 0.5,
    "tasks": [],
    "data": {},
    "versions": {"soritune": "1"},
}


def written(folder: Path) -> Path:
    """An output with a row of a recording that has been deleted."""
    output = folder / "p.jsonl"
    row = {"id": "a", "audio": str(folder / "a.wav"), "duration_s": 1.0, "groups": {}, "tasks": {}}
    write_predictions(output, Header(CONTENT), [row])
    return output


def test_rows_of_an_earlier_call_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = written(tmp_path)
    with typer.Context(click.Command("predict")) as context:
        resumption = Resumption(
            context, output, [None], Header({"bundles": CONTENT["bundles"], "min_confidence": 0.5})
        )
        rows = resumption.rows(Header(CONTENT))
        print_kept(output, rows, [tmp_path / "b.wav"])
    assert [row["id"] for row in rows] == ["a"]
    assert "1 row of" in (shown := " ".join(capsys.readouterr().err.split())) and "1 file to predict" in shown


def test_another_setting_is_refused_with_both_values(tmp_path: Path) -> None:
    output = written(tmp_path)
    with typer.Context(click.Command("predict")) as context, pytest.raises(OutputError) as refused:
        Resumption(context, output, [], Header({"bundles": CONTENT["bundles"], "min_confidence": 0.7}))
    assert "min_confidence 0.5, and this call has 0.7" in str(refused.value)
    assert output.exists()
