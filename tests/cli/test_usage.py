"""Wrong calls are reported in one sentence with the nearest name; a bare call prints the help and no error."""

from __future__ import annotations

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from soritune.cli.main import app
from soritune.cli.train import _field_overrides
from soritune.cli.usage import is_bare, usage_sentence
from soritune.errors import RecipeError
from soritune.recipe import load_recipe

runner = CliRunner()


def fault_of(*arguments: str) -> typer.TyperException:
    """What typer raises for these arguments, without running a command."""
    with pytest.raises(typer.TyperException) as caught:
        typer.main.get_command(app).main(list(arguments), prog_name="soritune", standalone_mode=False)
    return caught.value


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "demo", "--ouput", "x"], "there is no option --ouput; did you mean --output?"),
        (["predict", "a.wav", "--bundl", "x"], "there is no option --bundl; did you mean --bundle?"),
        (
            ["predict", "a.wav", "--zzzz"],
            "there is no option --zzzz; `soritune predict --help` lists its options",
        ),
        (["run"], "RECIPE is missing; `soritune run --help` lists its options"),
        (["predict", "a.wav", "--window-s", "abc"], "--window-s must be a number, not 'abc';"),
        (["predict", "a.wav", "--vad", "x"], "--vad 'x' is not one of 'auto', 'silero', 'energy', 'off';"),
        (
            ["sources", "preview", "csv", "x", "--limit", "0"],
            "--limit must be greater than or equal to 1, not '0';",
        ),
        (
            ["predikt"],
            "No such command 'predikt'. Did you mean 'predict'? `soritune --help` lists the commands",
        ),
    ],
)
def test_wrong_call_names_what_was_meant(arguments: list[str], sentence: str) -> None:
    assert usage_sentence(fault_of(*arguments)).startswith(sentence)


@pytest.mark.parametrize("arguments", [[], ["export"]])
def test_bare_call_prints_help_and_has_no_fault(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert is_bare(fault_of(*arguments))
    assert "--help" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["-h"], ["run", "-h"], ["export", "onnx", "-h"]])
def test_short_option_for_help_works_everywhere(arguments: list[str]) -> None:
    short, long = (runner.invoke(app, [*arguments[:-1], name]) for name in ("-h", "--help"))
    assert short.exit_code == 0
    assert short.output == long.output


def test_fields_are_overrides_of_the_source() -> None:
    overrides = _field_overrides(["text=전사", "speaker=화자 번호"])
    recipe = load_recipe("quickstart", ["data=x.csv", *overrides])
    assert recipe.data.config == {"fields": {"text": "전사", "speaker": "화자 번호"}}
    assert recipe.data.source == "auto"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("epochs=3", "did you mean 'train.epochs'?"),
        ("my.csv", "did you mean data=my.csv?"),
        ("train.early_stoping.patience=3", "did you mean 'early_stopping'?"),
        ("tasks.phoneme.head.knd=linear", "did you mean 'kind'?"),
    ],
)
def test_mistyped_override_names_what_was_meant(override: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("quickstart", [override])
    assert sentence in str(caught.value)
