"""The verbs that run a model have the same options for it."""

from __future__ import annotations

import pytest
import typer

from soritune.cli.main import app


@pytest.mark.parametrize(
    ("option", "verbs"),
    [
        ("--checkpoint", ("predict", "align", "assess")),
        ("--device", ("predict", "evaluate", "calibrate", "align", "assess")),
        ("--backend", ("predict", "evaluate", "calibrate", "align", "assess")),
        ("--base", ("predict", "evaluate", "calibrate", "align", "assess")),
        ("--withhold", ("predict", "evaluate")),
        ("--coverage", ("predict", "evaluate")),
    ],
)
def test_an_option_has_one_meaning_in_all_verbs(option: str, verbs: tuple[str, ...]) -> None:
    commands = typer.main.get_group(app).commands
    found = [
        (param.help, param.default, param.multiple)
        for verb in verbs
        for param in commands[verb].params
        if option in param.opts
    ]
    assert len(found) == len(verbs)
    assert len(set(map(repr, found))) == 1
