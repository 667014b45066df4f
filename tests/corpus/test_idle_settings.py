"""Settings of a source without effect are reported, and those with an effect are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import soundfile

from soritune.corpus.idle_settings import IdleSettings
from soritune.corpus.prepare import prepare
from soritune.corpus.sources.csv import CsvConfig
from soritune.errors import ManifestError


def prepared(folder: Path, **settings: Any) -> tuple[str, ...]:
    (folder / "c").mkdir(exist_ok=True)
    for name in ("a", "b"):
        soundfile.write(folder / "c" / f"{name}.wav", [0.1, -0.1] * 4000, 16000)
    (folder / "c" / "t.csv").write_text("file_path,label,sex\na.wav,1,여\nb.wav,2,\n", encoding="utf-8")
    return prepare("csv", folder / "c", settings, folder / "out").idle_settings


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"values": {"emotion": {"angry": "화남"}}}, "values.emotion maps 'angry', which no row has"),
        ({"values": {"emotion": {"1": "화남", "3": "슬픔"}}}, "values.emotion maps '3', which no row has"),
        ({"values": {"gender": {"여자": "f"}}}, "values.gender maps '여자', which no row has"),
        ({"speaker_pattern": r"(?P<speaker>F\d+)/"}, "speaker_pattern matches no path"),
    ],
)
def test_setting_without_effect_is_reported(tmp_path: Path, settings: dict[str, Any], note: str) -> None:
    assert prepared(tmp_path, **settings) == (note,)


def test_settings_with_effect_are_not_reported(tmp_path: Path) -> None:
    values = {"emotion": {"1": "화남", "2": "슬픔"}, "gender": {"여": "f"}}
    assert prepared(tmp_path, values=values, fields={"gender": "sex"}, speaker_pattern="(?P<speaker>.)") == ()


def test_second_reading_with_the_same_settings_starts_anew(tmp_path: Path) -> None:
    config = CsvConfig(values={"emotion": {"1": "화남"}})
    config._matched.add(("emotion", "1"))
    assert list(IdleSettings(config).notes()) == []
    assert config._matched == set()


def test_mapped_column_without_values_is_reported(tmp_path: Path) -> None:
    prepared(tmp_path)
    (tmp_path / "c" / "t.csv").write_text("file_path,label,sex\na.wav,1,\nb.wav,2,\n", encoding="utf-8")
    result = prepare("csv", tmp_path / "c", {"fields": {"gender": "sex"}}, tmp_path / "out")
    assert result.idle_settings == ("fields.gender got no value in any row",)


def folders(root: Path) -> dict[str, Any]:
    folder = root / "003" / "106"
    folder.mkdir(parents=True)
    for number in (0, 1):
        soundfile.write(folder / f"106_003_{number:04}.wav", [0.1, -0.1] * 4000, 16000)
    (folder / "106_003.trans.txt").write_text("106_003_0000 네\n106_003_0001 아니요\n", encoding="utf-8")
    return {"pattern": r"(?P<speaker>\d+)/[^/]+\.wav"}


def test_script_that_does_not_exist_is_refused_and_a_wildcard_reads_it(tmp_path: Path) -> None:
    settings = folders(tmp_path / "c")
    with pytest.raises(ManifestError, match=r"no file is called 'trans\.txt'.*script=\*\.trans\.txt"):
        prepare("speaker-folders", tmp_path / "c", {**settings, "script": "trans.txt"}, tmp_path / "out")
    result = prepare(
        "speaker-folders", tmp_path / "c", {**settings, "script": "*.trans.txt"}, tmp_path / "out"
    )
    assert [row.text for row in result.manifest] == ["네", "아니요"]
    assert [
        row.text for row in prepare("speaker-folders", tmp_path / "c", settings, tmp_path / "o").manifest
    ] == [
        None,
        None,
    ]


def test_label_that_matches_no_recording_is_reported(tmp_path: Path) -> None:
    settings = {**folders(tmp_path / "c"), "pattern": r".*_(?P<number>\d+)\.wav"}
    labels = {"Anxious": [[0, 1]], "Kind": [[31, 40]]}
    result = prepare("speaker-folders", tmp_path / "c", {**settings, "labels": labels}, tmp_path / "out")
    assert result.idle_settings == ("labels.Kind matches no recording",)


def test_case_of_scripts_per_folder(shared_cases: Path, tmp_path: Path) -> None:
    root, settings = shared_cases / "B03_zeroth_trans_txt", {"pattern": "(?P<speaker>[^/]+)/[^/]+"}
    with pytest.raises(ManifestError, match=r"no file is called 'trans\.txt'"):
        prepare("speaker-folders", root, {**settings, "script": "trans.txt"}, tmp_path)
    result = prepare("speaker-folders", root, {**settings, "script": "*.trans.txt"}, tmp_path)
    assert [row.text for row in result.manifest] == ["네 그렇습니다", "잘 모르겠습니다"]


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"drop_prefix": "D:/corpus"}, "drop_prefix begins no path"),
        ({"constants": {"emotion": "화남"}}, "constants.emotion is used in no row"),
        ({"pcm": "s16le:16000"}, "pcm is used for no recording"),
        ({"transcript": "tags"}, "transcript=tags changed nothing: no row has a text"),
    ],
)
def test_setting_of_tables_without_effect_is_reported(
    tmp_path: Path, settings: dict[str, Any], note: str
) -> None:
    (reason,) = prepared(tmp_path, **settings)
    assert reason.startswith(note)


def test_settings_of_tables_with_effect_are_not_reported(tmp_path: Path) -> None:
    assert prepared(tmp_path, constants={"speaker": "s1"}, language="en", name="mine", audio_root=".") == ()
    (tmp_path / "c" / "t.csv").write_text("file_path\nD:\\corpus\\a.wav\n", encoding="utf-8")
    result = prepare("csv", tmp_path / "c", {"drop_prefix": "D:\\corpus"}, tmp_path / "out")
    assert (len(result.manifest), result.idle_settings) == (1, ())


def test_audio_root_of_absolute_paths_is_reported(tmp_path: Path) -> None:
    prepared(tmp_path)
    (tmp_path / "c" / "t.csv").write_text(f"file_path\n{tmp_path / 'c' / 'a.wav'}\n", encoding="utf-8")
    result = prepare("csv", tmp_path / "c", {"audio_root": "wav"}, tmp_path / "out")
    assert result.idle_settings == ("audio_root has no effect, because no path is relative",)


def pairs(folder: Path, **settings: Any) -> tuple[str, ...]:
    for name in ("1.Training", "extra"):
        (folder / "c" / name).mkdir(parents=True)
        soundfile.write(folder / "c" / name / f"{name[:2]}.wav", [0.1, -0.1] * 4000, 16000)
        (folder / "c" / name / f"{name[:2]}.json").write_text(
            '{"text": "네", "speaker": "1"}', encoding="utf-8"
        )
    return prepare("json-pairs", folder / "c", settings, folder / "out").idle_settings


def test_folders_and_lookups_that_are_found_nowhere_are_reported(tmp_path: Path) -> None:
    settings = {
        "split_folders": {"extra": "test", "4.Blind": "test"},
        "label_folders": {"답": "소리"},
        "lookups": {"who": {"table": "speakers", "value": "speaker"}},
    }
    assert pairs(tmp_path, **settings) == (
        "split_folders names '4.Blind', and no folder has such a name",
        "label_folders names '답', and no folder has such a name",
        "lookups.who is read by no field; map one, as in age=who.age",
    )


def test_folder_that_is_left_out_counts_as_found(tmp_path: Path) -> None:
    assert pairs(tmp_path, split_folders={"extra": None}, language="ko") == ()


def test_parallel_label_folder_counts_as_found(tmp_path: Path) -> None:
    for folder in ("답", "소리"):
        (tmp_path / "c" / folder).mkdir(parents=True)
    soundfile.write(tmp_path / "c" / "소리" / "a.wav", [0.1, -0.1] * 4000, 16000)
    (tmp_path / "c" / "답" / "a.json").write_text('{"text": "네"}', encoding="utf-8")
    result = prepare("json-pairs", tmp_path / "c", {"label_folders": {"답": "소리"}}, tmp_path / "out")
    assert (len(result.manifest), result.idle_settings) == (1, ())


def test_names_of_people_that_give_no_gender_are_reported_on_request(tmp_path: Path) -> None:
    settings = folders(tmp_path / "c")
    result = prepare(
        "speaker-folders", tmp_path / "c", {**settings, "gender_from_first_letter": True}, tmp_path / "out"
    )
    assert [reason.split(" ")[0] for reason in result.idle_settings] == ["gender_from_first_letter"]
    assert prepare("speaker-folders", tmp_path / "c", settings, tmp_path / "out").idle_settings == ()
    with pytest.raises(ManifestError, match="script_from_number needs the group 'number'"):
        prepare("speaker-folders", tmp_path / "c", {**settings, "script_from_number": True}, tmp_path / "out")


def test_settings_of_marks_that_the_notation_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="keep_fillers has no effect with transcript=tags"):
        prepared(tmp_path, transcript="tags", keep_fillers=False)
