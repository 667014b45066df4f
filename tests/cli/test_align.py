import csv
import json

import pytest
import typer
from typer.testing import CliRunner

from soritune.cli.align import align
from soritune.errors import SorituneError

APP = typer.Typer()
APP.command()(align)


def run(*arguments, code=0):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_file_with_its_text(unseen, tiny_ko, tmp_path):
    row = next(unseen.utterances())
    file = unseen.audio_path(row)
    content = json.loads(run(file, "--text", row.text, "-b", tiny_ko, "--json").stdout)
    (clip,) = content["clips"]
    assert (content["aligned"], content["failed"]) == (1, 0)
    assert " ".join(word["text"] for word in clip["words"]).split()
    assert clip["words"][0]["start_s"] == clip["phones"][0]["start_s"]
    assert clip["log_probability"] < 0
    printed = run(file, "--text", row.text, "-b", tiny_ko, "--ctm", tmp_path / "a.ctm").stdout
    assert clip["words"][0]["text"] in printed
    assert (tmp_path / "a.ctm").read_text(encoding="utf-8").count("\n") == len(clip["words"])


def test_rows_of_a_manifest_have_their_own_texts(unseen, tiny_ko):
    content = json.loads(run("--manifest", unseen.path, "-b", tiny_ko, "--json").stdout)
    assert content["aligned"] == len(unseen)
    assert content["clips"][0]["id"] == next(unseen.utterances()).id


def test_table_of_excel_is_aligned_whole_with_its_own_column_names(unseen, tiny_ko, tmp_path):
    """25 lines: the terminal shows 20 and counts the others, the table of times has all."""
    rows = list(unseen.utterances())[:5] * 5
    lines = [f"{unseen.audio_path(row)},{row.text},{n}" for n, row in enumerate(rows)]
    table = tmp_path / "명단.csv"
    table.write_text("\n".join(["녹음,대본문장,번호", *lines]) + "\n", encoding="cp949")
    fields = ("--field", "audio=녹음", "--field", "text=대본문장", "--field", "id=번호")
    printed = run("--manifest", table, *fields, "-b", tiny_ko, "--times-csv", tmp_path / "t.csv")
    assert "5 more clips aligned" in printed.stdout
    assert "녹음 → audio" in printed.stderr
    with (tmp_path / "t.csv").open(encoding="utf-8-sig") as file:
        words = [line for line in csv.DictReader(file) if line["tier"] == "words"]
    assert {line["id"] for line in words} == {str(n) for n in range(25)}
    for n, row in enumerate(rows):
        spoken = [line["text"] for line in words if line["id"] == str(n)]
        assert spoken == [word.strip(".,?!") for word in row.text.split()]


def test_text_that_does_not_fit_is_an_error_of_its_clip(unseen, tiny_ko):
    file = unseen.audio_path(next(unseen.utterances()))
    content = json.loads(run(file, "--text", "길고 긴 글" * 60, "-b", tiny_ko, "--json", code=1).stdout)
    assert "too short" in content["clips"][0]["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give what is spoken in the files, either as --text or as --phones"),
        (("--text", "가", "--phones", "G A"), "either as --text or as --phones"),
        (("--text", " "), "the text is empty"),
        (("--text", "가", "--tier", "phones"), "--tier has no effect without --ctm"),
    ],
)
def test_faulty_arguments_are_refused(clip, arguments, message):
    with pytest.raises(SorituneError, match=message):
        run(clip("a.wav", 1.0), *arguments)


def test_manifest_takes_no_text(unseen):
    with pytest.raises(SorituneError, match="have their own texts"):
        run("--manifest", unseen.path, "--text", "가")
