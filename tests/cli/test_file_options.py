"""The verbs that take files or the rows of a manifest have the same options for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from soritune.cli.file_options import check_files_or_rows
from soritune.cli.main import app
from soritune.errors import SorituneError

FILE = Path("a")


@pytest.mark.parametrize(
    ("option", "verbs"),
    [
        ("--splits", ("predict", "transcribe")),
        ("--split", ("predict", "transcribe")),
        ("--root", ("predict", "transcribe", "evaluate", "calibrate")),
        ("--pcm", ("predict", "transcribe")),
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


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((None, None, None, None), "give either audio files"),
        (([FILE], FILE, None, None), "give either audio files"),
        (([FILE], None, FILE, FILE), "--splits needs --manifest"),
        (([FILE], None, None, FILE), "--root needs --manifest"),
    ],
)
def test_files_and_options_of_a_manifest_exclude_each_other(given, words: str) -> None:
    with pytest.raises(SorituneError, match=words):
        check_files_or_rows(*given)
    check_files_or_rows([FILE], None, None, None)
    check_files_or_rows(None, FILE, FILE, FILE)
