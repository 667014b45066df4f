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
