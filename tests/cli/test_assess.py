import json

import pytest
import typer
from typer.testing import CliRunner

from soritune.cli.assess import assess
from soritune.errors import SorituneError, TaskError, TextError

APP = typer.Typer()
APP.command()(assess)


def run(*arguments, code=0):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_printed_words_and_json_lines(unseen, tiny_ko, tmp_path):
    row = next(unseen.utterances())
    file = unseen.audio_path(row)
    output = tmp_path / "answers.jsonl"
    result = run(file, "--text", row.text, "-b", tiny_ko, "--vad", "energy", "-o", output)
    (answer,) = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert answer["assessable"]
    assert answer["words"][0]["text"] in result.stdout
    assert "not validated on learners" in result.output


def test_other_text_is_not_assessable_and_no_failure(unseen, tiny_ko):
    row = next(unseen.utterances())
    words = row.text.split()
    other = "내일 아침에 비가 올까요?" if len(words) < 5 else "안녕하세요?"
    result = run(unseen.audio_path(row), "--text", other, "-b", tiny_ko, "--vad", "energy")
    assert "not assessable (unrelated-speech)" in result.stdout


def test_phones_instead_of_a_text(unseen, tiny_ko):
    row = next(row for row in unseen.utterances() if row.phones)
    file = unseen.audio_path(row)
    content = json.loads(run(file, "--phones", " ".join(row.phones), "-b", tiny_ko, "--json").stdout)
    answer = content["answers"][0]
    assert answer["text"] is None
    assert answer["assessable"]
    assert answer["counts"]["phones"] == len([phone for phone in row.phones if phone != "|"])


def test_unreadable_file_ends_with_1(tiny_ko, tmp_path, clip):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF")
    content = json.loads(run(bad, clip("a.wav", 1.0), "--text", "가", "-b", tiny_ko, "--json", code=1).stdout)
    assert content["unreadable"] == 1
    assert [answer["outcome"] == "unreadable-audio" for answer in content["answers"]] == [True, False]


def test_faulty_files_of_settings_are_refused_before_the_model_is_loaded(clip, tmp_path):
    (tmp_path / "t.yaml").write_text("name: x")
    (tmp_path / "v.tsv").write_text("nonsense")
    with pytest.raises(TaskError, match="origin: missing"):
        run(clip("a.wav", 1.0), "--text", "가", "--thresholds", tmp_path / "t.yaml")
    with pytest.raises(TextError, match="is not a variant"):
        run(clip("a.wav", 1.0), "--text", "가", "--variants", tmp_path / "v.tsv")


def test_chosen_thresholds_are_written_and_used(unseen, tiny_ko, tmp_path):
    manifest = unseen.root / "manifest.parquet"
    chosen = tmp_path / "mine.yaml"
    result = run("--manifest", manifest, "-b", tiny_ko, "--choose-thresholds", chosen)
    assert "of right texts accepted" in result.stdout
    row = next(unseen.utterances())
    content = json.loads(
        run(
            unseen.audio_path(row), "--text", row.text, "-b", tiny_ko, "--thresholds", chosen, "--json"
        ).stdout
    )
    assert content["answers"][0]["thresholds"]["name"] == "mine"


def test_options_that_do_not_act_are_refused(clip, tmp_path):
    file = clip("a.wav", 1.0)
    with pytest.raises(SorituneError, match="--choose-thresholds needs --manifest"):
        run(file, "--text", "가", "--choose-thresholds", tmp_path / "t.yaml")
    with pytest.raises(SorituneError, match="--language has no effect without --html"):
        run(file, "--text", "가", "--language", "en")
    with pytest.raises(SorituneError, match="--html has no effect with --choose-thresholds"):
        run(
            "--manifest",
            tmp_path / "m.jsonl",
            "--choose-thresholds",
            tmp_path / "t.yaml",
            "--html",
            tmp_path / "p.html",
        )


def test_page_of_a_clip_has_its_sound(unseen, tiny_ko, tmp_path):
    row = next(unseen.utterances())
    page = tmp_path / "page.html"
    result = run(
        unseen.audio_path(row), "--text", row.text, "-b", tiny_ko, "--html", page, "--language", "en"
    )
    assert "page.html" in result.stdout
    text = page.read_text(encoding="utf-8")
    assert "data:audio/flac;base64," in text
    assert "Practise first" in text


def test_pages_of_a_class(unseen, tiny_ko, tmp_path):
    page = tmp_path / "class.html"
    result = run("--manifest", unseen.root / "manifest.parquet", "-b", tiny_ko, "--html", page, "--json")
    content = json.loads(result.stdout)
    speakers = {answer["speaker"] for answer in content["answers"]}
    assert len(speakers) > 1
    assert len(list((tmp_path / "class").glob("*.html"))) == len(speakers)
