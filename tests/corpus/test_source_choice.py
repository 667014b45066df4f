"""The source of a corpus that names none: by its files, with the columns and the folder that they suggest."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.prepare import prepare
from soritune.corpus.preview import preview
from soritune.corpus.source_choice import choose, run_command, source_of
from soritune.errors import ManifestError

ROWS = "번호,파일명,화자,전사,나이\n1,a.wav,김,오늘,20대\n2,b.wav,이,내일,\n"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A table as Korean Excel saves it, and the recordings in a folder beside it."""
    (tmp_path / "lab/녹음").mkdir(parents=True)
    (tmp_path / "lab/목록.csv").write_bytes(ROWS.encode("cp949"))
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / "lab/녹음" / name, np.full(8000, 0.1, np.float32), 16000)
    return tmp_path / "lab"


@pytest.mark.parametrize(
    ("name", "content", "source"),
    [
        ("a.csv", "file_path\n", "csv"),
        ("a.TSV", "file_path\n", "csv"),
        ("a.parquet", "", "manifest"),
        ("a.jsonl", '{"id": "1", "audio": "a.wav"}\n', "manifest"),
        ("a.jsonl", '\n{"audio_filepath": "a.wav", "duration": 1.0}\n', "nemo"),
        ("cuts.jsonl.gz", "", "lhotse"),
    ],
)
def test_file_has_the_source_of_its_format(name: str, content: str, source: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert source_of(tmp_path / name) == source


@pytest.mark.parametrize(
    ("files", "source"),
    [
        (["manifest.parquet", "list.csv"], "manifest"),
        (["wav.scp", "text"], "kaldi"),
        (["dataset_dict.json"], "hf-datasets"),
        (["목록.csv", "clips/a.wav"], "csv"),
        (["1/a.wav", "1/a.json"], "json-pairs"),
    ],
)
def test_folder_has_the_source_of_its_files(files: list[str], source: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert source_of(tmp_path) == source


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a.wav"], "holds recordings, and no table or list with their speakers and texts"),
        (["notes.txt"], "holds no recordings and no list of any"),
        (["wav.scp", "a.csv"], "several ways; choose one with data.source=kaldi or data.source=csv"),
    ],
)
def test_unclear_folder_is_refused_with_the_next_step(files: list[str], message: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ManifestError, match=message):
        source_of(tmp_path)


def test_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").touch()
    with pytest.raises(ManifestError, match="is a workbook; save the sheet as CSV"):
        source_of(tmp_path / "a.xlsx")


def test_korean_columns_and_the_folder_of_recordings_are_found(lab: Path, tmp_path: Path) -> None:
    choice = choose(lab, {})
    assert choice.source == "csv"
    assert choice.config == {
        "fields": {"text": "전사", "speaker": "화자", "audio": "파일명"},
        "audio_root": "녹음",
    }
    assert "text is read from '전사'" in choice.text and "the recordings are in 녹음" in choice.text
    rows = list(prepare(choice.source, lab, choice.config, tmp_path / "out").manifest)
    assert [(row.speaker, row.text, row.duration_s) for row in rows] == [
        ("김", "오늘", 0.5),
        ("이", "내일", 0.5),
    ]


def test_given_settings_are_kept(lab: Path) -> None:
    choice = choose(lab / "목록.csv", {"fields": {"audio": "파일명", "text": "번호"}})
    assert choice.config["fields"] == {"audio": "파일명", "text": "번호", "speaker": "화자"}


def test_folder_of_recordings_is_not_guessed_between_two(lab: Path) -> None:
    (lab / "old").mkdir()
    for name in ("a.wav", "b.wav"):
        (lab / "old" / name).write_bytes((lab / "녹음" / name).read_bytes())
    assert "audio_root" not in choose(lab, {}).config


def test_run_command_of_a_preview_reads_the_corpus(lab: Path) -> None:
    config = {"fields": {"audio": "파일명"}}
    command = run_command("csv", lab, config, preview("csv", lab, config))
    words = shlex.split(command)
    assert words[:5] == ["soritune", "run", "quickstart", f"data={lab}", "data.source=csv"]
    assert words[words.index("--field") + 1] == "audio=파일명"
    assert "text=전사" in words and "data.config.audio_root=녹음" in words


def test_nested_settings_of_a_command_are_values_of_yaml(lab: Path) -> None:
    config = {"fields": {"audio": "파일명"}, "values": {"gender": {"여": "f"}}}
    words = shlex.split(run_command("csv", lab, config, preview("csv", lab, {"fields": {"audio": "파일명"}})))
    value = next(word for word in words if word.startswith("data.config.values="))
    assert json.loads(value.partition("=")[2]) == {"gender": {"여": "f"}}


@pytest.mark.parametrize("name", ["상담사", "상담원 ID", "고객번호", "화자명", "성우", "발화자"])
def test_the_person_who_speaks_is_found_by_names_of_call_centres_and_studios(
    name: str, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(f"파일,감정,{name}\na.wav,기쁨,김\nb.wav,화남,이\n".encode("cp949"))
    choice = choose(table, {}, ["emotion"])
    assert choice.config["fields"] == {"audio": "파일", "emotion": "감정", "speaker": name}
    assert f"speaker is read from '{name}'" in choice.text


def test_two_people_of_a_call_are_not_chosen_between(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f"{n}.wav,기쁨,상{n % 2},고{n % 3},{n},{n / 7:.3f}" for n in range(12)]
    table.write_text("\n".join(["파일,감정,상담사,고객,번호,점수", *rows]))
    choice = choose(table, {}, ["emotion"])
    assert "speaker" not in choice.config["fields"]
    seen = preview(choice.source, table, choice.config)
    assert seen.speaker_columns == ("상담사", "고객")  # not the numbers, which are different in every row
    words = shlex.split(run_command(choice.source, table, choice.config, seen))
    assert words[words.index("speaker=COLUMN") - 1] == "--field"
    mapped = {"fields": {**choice.config["fields"], "speaker": "고객"}}
    assert preview("csv", table, mapped).speaker_columns is None


def test_a_column_about_the_customer_is_not_the_other_side(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("파일,감정,상담사,고객만족도\na.wav,기쁨,김,5\n")
    assert choose(table, {}, ["emotion"]).config["fields"]["speaker"] == "상담사"
