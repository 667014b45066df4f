"""The verbs that compare speech with a known text take it in the same way."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from soritune.bundles.default_model import DEFAULT_MODEL
from soritune.cli.main import app
from soritune.cli.text_options import check_texts
from soritune.errors import SorituneError


@pytest.mark.parametrize("option", ["audio", "--phones", "--bundle"])
def test_an_option_has_one_meaning_in_both_verbs(option: str) -> None:
    commands = typer.main.get_group(app).commands
    found = [
        (param.help, param.default, param.multiple)
        for verb in ("align", "assess")
        for param in commands[verb].params
        if option in param.opts
    ]
    assert len(found) == 2
    assert found[0] == found[1]
    assert option != "--bundle" or DEFAULT_MODEL in str(found[0][0])


@pytest.mark.parametrize(
    ("text", "phones", "manifest", "message"),
    [
        (None, None, None, "either as --text or as --phones"),
        ("가", "G A", None, "either as --text or as --phones"),
        ("  ", None, None, "the text is empty"),
        (None, " ", None, "the text is empty"),
        ("가", None, Path("m.jsonl"), "have their own texts"),
        (None, "G A", Path("m.jsonl"), "have their own texts"),
    ],
)
def test_files_have_one_text_and_rows_their_own(
    text: str | None, phones: str | None, manifest: Path | None, message: str
) -> None:
    with pytest.raises(SorituneError, match=message):
        check_texts(text, phones, manifest)


def test_texts_that_fit_are_accepted() -> None:
    check_texts("가", None, None)
    check_texts(None, "G A", None)
    check_texts(None, None, Path("m.jsonl"))
