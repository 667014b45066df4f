"""`soritune sources` as typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner, Result

from soritune.cli import sources
from soritune.cli.source_options import source_settings
from soritune.errors import ManifestError
from soritune.registry import members

app = typer.Typer(pretty_exceptions_enable=False)
app.add_typer(sources.app, name="sources")


@app.command()
def another() -> None:
    """So that `sources` keeps its name."""


def soritune(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "100"})
    assert result.exception is None or isinstance(result.exception, (SystemExit, ManifestError)), (
        result.exception
    )
    return result


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "말뭉치"
    root.mkdir()
    lines = ["file_path,감정,[화자]"]
    for number in range(12):
        soundfile.write(root / f"{number}.wav", np.full(8000, 0.1, np.float32), 16000)
        lines.append(f"{number}.wav,기쁨,F{number}")
    (root / "목록.csv").write_bytes("\n".join([*lines, "x.wav"]).encode("cp949"))
    return root


def test_all_sources_are_listed() -> None:
    names = set(members("soritune.corpus.sources", "SOURCE"))
    listed = json.loads(soritune("sources", "--json").stdout)["sources"]
    assert {source["name"] for source in listed} == names and all(source["description"] for source in listed)
    shown = soritune("sources").stdout
    assert all(name in shown for name in names)


def test_preview_shows_rows_fields_and_faults(corpus: Path) -> None:
    options = ("--field", "emotion=감정", "--set", "constants={first_language: ko}", "--limit", 3)
    result = soritune("sources", "preview", "csv", corpus, *options)
    assert result.exit_code == 0
    for text in ("기쁨", "2.wav", "0.50", "[화자]", "12 utterances among 13 things looked at (the whole corpus)",
                 "x.wav: 목록.csv line 14: has 1 cell, the header has 3", "--field 'speaker=[화자]'"):  # fmt: skip
        assert text in result.stdout, text
    assert "3.wav" not in result.stdout
    content = json.loads(soritune("sources", "preview", "csv", corpus, *options, "--json").stdout)
    assert len(content["rows"]) == 3 and content["rows"][0]["first_language"] == "ko"
    assert content["rejected"][0]["count"] == 1 and content["fault"] is None
    assert {"field": "[화자]", "becomes": "extra", "example": "F0"} in content["fields"]


def test_a_mapped_field_without_any_value_is_reported_with_exit_code_1(corpus: Path) -> None:
    (corpus / "목록.csv").write_text("file_path,감정,나이\n0.wav,,\n1.wav,,\n", encoding="utf-8")
    result = soritune("sources", "preview", "csv", corpus, "--field", "emotion=감정")
    assert result.exit_code == 1
    assert "emotion got no value in any row: it is read from '감정'" in result.stdout


def test_a_failing_mapping_shows_the_fields_of_the_corpus(corpus: Path) -> None:
    result = soritune("sources", "preview", "csv", corpus, "--field", "audio=파일", "--json")
    assert isinstance(result.exception, ManifestError) and "no column 파일" in str(result.exception)
    assert [field["field"] for field in json.loads(result.stdout)["fields"]] == [
        "file_path",
        "감정",
        "[화자]",
    ]
    assert "file_path" in soritune("sources", "preview", "csv", corpus, "--field", "audio=파일").stdout


def test_the_settings_of_a_recipe_are_a_start(corpus: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "tasks: {emotion: {labels: [기쁨, 화남]}}\nmodel: {encoder: x}\n"
        "data: {source: csv, config: {fields: {emotion: 감정}, name: mine}}\n",
        encoding="utf-8",
    )
    result = soritune(
        "sources", "preview", "csv", corpus, "--config-from", recipe, "--set", "name=other", "--json"
    )
    row = json.loads(result.stdout)["rows"][0]
    assert (row["emotion"], row["source"]) == ("기쁨", "other")
    wrong = soritune("sources", "preview", "json-pairs", corpus, "--config-from", recipe)
    assert "reads with the source 'csv', not 'json-pairs'" in str(wrong.exception)


def test_a_source_without_a_preview_is_refused(corpus: Path) -> None:
    assert "makes its corpus" in str(soritune("sources", "preview", "synthetic", corpus).exception)
    assert "--prefix has no meaning" in str(
        soritune("sources", "preview", "csv", corpus, "--prefix").exception
    )


def test_an_empty_field_that_the_recipe_maps_is_reported_without_failing(tmp_path: Path) -> None:
    folder = tmp_path / "1.Training" / "C1"
    folder.mkdir(parents=True)
    soundfile.write(folder / "1.wav", np.zeros(8000), 16000)
    (folder / "1.json").write_text(json.dumps({"text": "가나", "speaker": "C1"}), encoding="utf-8")
    asked = ("sources", "preview", "json-pairs", tmp_path, "--config-from", "child-phoneme")
    result = soritune(*asked)
    assert result.exit_code == 0 and "age got no value in any row" in result.output
    assert soritune(*asked, "--set", "keep=[text]").exit_code == 0
    assert soritune(*asked, "--set", "keep=typo.x").exit_code == 1
    mapped = soritune(*asked, "--field", "age=나이")
    assert mapped.exit_code == 1 and "age got no value in any row" in mapped.output


def test_a_corpus_without_its_recordings_fails_as_in_prepare(corpus: Path) -> None:
    for file in corpus.glob("*.wav"):
        file.unlink()
    result = soritune("sources", "preview", "csv", corpus)
    assert isinstance(result.exception, ManifestError) and result.exception.exit_code == 2
    assert "not one of the first 12 recordings can be used; the first: does not exist" in str(
        result.exception
    )
    assert "not one of them was found" in result.stdout


def test_unknown_words_for_gender_are_reported(corpus: Path) -> None:
    (corpus / "목록.csv").write_text("file_path,성별\n0.wav,W\n1.wav,남\n", encoding="utf-8")
    shown = soritune("sources", "preview", "csv", corpus, "--field", "gender=성별").stdout
    assert "gender is neither f nor m: W in 1" in shown


def test_an_absent_field_that_the_recipe_keeps_does_not_fail(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "tasks: {emotion: {labels: [a, b]}}\nmodel: {encoder: x}\n"
        "data: {source: json-pairs, config: {keep: [x.y], extra: {z: x.z}}}\n",
        encoding="utf-8",
    )
    soundfile.write(tmp_path / "1.wav", np.zeros(8000), 16000)
    (tmp_path / "1.json").write_text('{"text": "가나"}', encoding="utf-8")
    result = soritune("sources", "preview", "json-pairs", tmp_path, "--config-from", recipe)
    assert result.exit_code == 0 and "extra.x.y got no value in any row" in result.output


def test_a_dotted_key_sets_a_nested_setting() -> None:
    given = ["recording.room=0.5", "mispronunciations.rate=0.1", "styles=[Kind, Dry]", "speakers=3"]
    _, config = source_settings("synthetic", [Path("out")], given, None, None, False)
    assert config == {
        "recording": {"room": 0.5},
        "mispronunciations": {"rate": 0.1},
        "styles": ["Kind", "Dry"],
        "speakers": 3,
    }


def test_a_table_without_a_speaker_is_reported_with_the_columns_that_could_be_one(tmp_path: Path) -> None:
    lines = ["파일,감정,팀원"]
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", np.full(8000, 0.1, np.float32), 16000)
        lines.append(f"{number}.wav,{'기쁨' if number % 2 else '화남'},팀{number % 3}")
    (tmp_path / "labels.csv").write_bytes("\n".join(lines).encode("cp949"))
    result = soritune("sources", "preview", "auto", tmp_path / "labels.csv")
    assert result.exit_code == 0
    assert "no field with the speaker was found" in result.output
    assert "values are repeated in '팀원': if one of them is the speaker" in result.output
    assert "--field speaker=COLUMN" in result.output
    options = ("--field", "audio=파일", "--field", "speaker=팀원")
    with_speaker = soritune("sources", "preview", "csv", tmp_path / "labels.csv", *options)
    assert "no field with the speaker" not in with_speaker.output and "COLUMN" not in with_speaker.output


def test_folder_with_several_tables_names_the_table_to_give_and_is_read_with_files(tmp_path: Path) -> None:
    (tmp_path / "녹음").mkdir()
    lines = ["번호,파일명,화자,전사"]
    for number in range(6):
        soundfile.write(tmp_path / "녹음" / f"{number}.wav", np.full(8000, 0.1, np.float32), 16000)
        lines.append(f"{number},{number}.wav,화자{number},안녕하세요 여러분")
    (tmp_path / "목록.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "화자정보.csv").write_text("화자,모국어\n화자1,한국어", encoding="utf-8")
    several = soritune("sources", "preview", "auto", tmp_path)
    assert f"soritune sources preview auto {shlex.quote(str(tmp_path / '목록.csv'))}" in str(
        several.exception
    )
    assert "0 utterances" not in several.output
    one = soritune("sources", "preview", "auto", tmp_path, "--set", "files=[목록.csv]")
    assert one.exit_code == 0, one.output
    command = " ".join(one.output.split("to train on it: ")[1].split())
    assert "audio=파일명" in command and "audio_root=녹음" in command and "목록.csv" in command
