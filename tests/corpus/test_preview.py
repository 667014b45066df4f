"""Previews of corpora of other publishers."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.corpus.preview import preview
from soritune.errors import ManifestError

LABEL = {"발화정보": {"stt": "글", "recrdTime": "9"}, "녹음자정보": {"나이": "만 7세", "recorderId": "A"}}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "말뭉치"
    (root / "1.Training").mkdir(parents=True)
    for number in range(30):
        soundfile.write(root / f"1.Training/{number:03d}.wav", np.full(4000, 0.1, np.float32), 16000)
        (root / f"1.Training/{number:03d}.json").write_text(json.dumps(LABEL), encoding="utf-8")
    (root / "1.Training/007.json").write_text("{", encoding="utf-8")
    (root / "1.Training/008.json").write_text("[", encoding="utf-8")
    (root / "1.Training/009.wav").unlink()
    (root / "1.Training/010.wav").write_bytes(b"")
    return root


def files(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.parent.rglob("*")}


def test_rows_are_shown_and_outcomes_counted(corpus: Path) -> None:
    before = files(corpus)
    settings = {"fields": {"text": "발화정보.stt", "age": "녹음자정보.나이"}}
    seen = preview("json-pairs", corpus, settings)
    assert files(corpus) == before
    assert len(seen.rows) == 10 and seen.utterances == 27 and seen.whole and seen.fault is None
    assert seen.looked_at == 30
    assert {kind: tally.count for kind, tally in seen.rejected.items()} == {
        "label-not-json": 2,
        "recording-missing": 1,
    }
    assert seen.rejected["recording-missing"].example.startswith("1.Training/009.json: ")
    assert seen.values["age"] == 27 and seen.values["extra.split"] == 27
    assert seen.unmapped == {"발화정보.recrdTime": "9", "녹음자정보.recorderId": "A"}
    assert seen.suggestions == {"speaker": "녹음자정보.recorderId"} and seen.never_filled == {}
    assert seen.audio_faults == {"1.Training/010": "is empty (0 bytes)"} and seen.audio_checked == 27
    assert seen.durations_s["1.Training/000"] == 0.25


def test_mapping_without_a_value_is_reported_with_a_suggestion(corpus: Path) -> None:
    seen = preview("json-pairs", corpus, {"fields": {"text": "발화정보.stt", "age": "녹음자정보.age"}})
    assert seen.never_filled == {"age": "'녹음자정보.age'; did you mean '녹음자정보.나이'?"}
    wrong = preview("json-pairs", corpus, {"fields": {"text": "발화정보.sst"}, "extra": {"x": "녹음자.x"}})
    assert (
        wrong.utterances == 0 and wrong.never_filled["text"] == "'발화정보.sst'; did you mean '발화정보.stt'?"
    )
    assert "extra.x" in wrong.never_filled


def test_keys_are_suggested_without_a_mapping(corpus: Path) -> None:
    seen = preview("json-pairs", corpus, {})
    assert seen.fault is not None and "no label gives a value" in seen.fault
    assert seen.suggestions == {
        "text": "발화정보.stt", "speaker": "녹음자정보.recorderId", "age": "녹음자정보.나이"
    }  # fmt: skip
    assert shlex.split(seen.advice) == [
        "--field", "text=발화정보.stt", "--field", "speaker=녹음자정보.recorderId", "--field", "age=녹음자정보.나이"
    ]  # fmt: skip


def test_scan_limits_the_number_of_outcomes(corpus: Path) -> None:
    seen = preview("json-pairs", corpus, {"fields": {"text": "발화정보.stt"}}, limit=2, scan=5)
    assert (len(seen.rows), seen.looked_at, seen.whole) == (2, 5, False)
    assert preview("json-pairs", corpus, {"fields": {"text": "발화정보.stt"}}, scan=0).looked_at == 30


def test_settings_for_paths_are_named_if_no_file_exists(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label,memo\nC:\\x\\a.wav,1,x\n", encoding="utf-8")
    seen = preview("csv", tmp_path, {})
    assert seen.path_settings == ("audio_root", "drop_prefix")
    assert list(seen.audio_faults.values()) == ["does not exist"]
    with pytest.raises(ManifestError, match="unknown_setting"):
        preview("csv", tmp_path, {"unknown_setting": 1})
    broken: dict[str, Any] = {"fields": {"audio": "파일"}}
    seen = preview("csv", tmp_path, broken)
    assert seen.fault is not None and "no column 파일" in seen.fault and seen.suggestions == {"audio": "path"}


def test_half_surrogate_pairs_are_shown_as_escapes(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 16000)
    (tmp_path / "a.json").write_text(
        '{"text": "네", "x": "\\ud83d", "\\ud83dk": ["\\ud83d"]}', encoding="utf-8"
    )
    seen = preview("json-pairs", tmp_path, {})
    assert seen.utterances == 1 and seen.survey is not None and seen.survey.examples["x"] == "\\ud83d"
    json.dumps([dict(seen.survey.examples), seen.unmapped], ensure_ascii=False).encode("utf-8")


def test_genders_that_are_neither_f_nor_m_are_counted(tmp_path: Path) -> None:
    lines = "".join(f"{n}.wav,{word}\n" for n, word in enumerate(("남", "W", "여자아이", "W", "")))
    (tmp_path / "l.csv").write_text("path,성별\n" + lines, encoding="utf-8")
    assert preview("csv", tmp_path, {"fields": {"gender": "성별"}}).other_genders == {"W": 2, "여자아이": 1}


def test_times_are_suggested_for_rows_that_seem_to_be_stretches(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,시작,종료\ns.wav,0,1\ns.wav,1,2\n", encoding="utf-8")
    assert preview("csv", tmp_path, {}).suggestions == {"start_s": "시작", "end_s": "종료"}
    (tmp_path / "l.csv").write_text("path,시작,종료\ns.wav,0,1\n", encoding="utf-8")
    assert preview("csv", tmp_path, {}).suggestions == {}


def test_unfilled_names_are_reported_in_keep_and_despite_a_constant(corpus: Path) -> None:
    fields = {"text": "발화정보.stt", "emotion": "발화정보.mood"}
    seen = preview("json-pairs", corpus, {"fields": fields, "constants": {"emotion": "x"}, "keep": ["a.b"]})
    assert seen.values["emotion"] == 27 and set(seen.never_filled) == {"emotion", "extra.a.b"}
    fields["emotion"] = "녹음자정보.recorderId"
    assert preview("json-pairs", corpus, {"fields": fields, "constants": {"emotion": "x"}}).never_filled == {}


def test_notes_are_not_counted_among_what_was_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "F1" / "wav_48000"
    folder.mkdir(parents=True)
    for number in (1, 2):
        soundfile.write(folder / f"F1_{number}.wav", np.zeros(800), 16000)
    (tmp_path / "script.txt").write_text("1\t글\n", encoding="utf-8")
    seen = preview("speaker-folders", tmp_path, {})
    assert (seen.utterances, seen.looked_at, seen.skipped) == (2, 2, {})
    assert [tally.count for tally in seen.notes.values()] == [1]


def test_settings_for_paths_are_not_named_if_a_file_exists(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "l.csv").write_text("path\na.wav\n", encoding="utf-8")
    seen = preview("csv", tmp_path, {})
    assert seen.path_settings == () and list(seen.audio_faults.values()) == ["is empty (0 bytes)"]


def test_field_whose_values_have_another_form_gets_no_suggestion(tmp_path: Path) -> None:
    """The place is right, so that another place would not help."""
    soundfile.write(tmp_path / "a.wav", np.full(8000, 0.1, np.float32), 16000)
    label = {"speaker": [{"id": "A", "age": "20대"}], "text": "네", "speaker_id": "A"}
    (tmp_path / "a.json").write_text(json.dumps(label), encoding="utf-8")
    for settings in (
        {"fields": {"age": "speaker[0].age"}},
        {"fields": {"age": "who.age"}, "lookups": {"who": {"table": "speaker", "value": "speaker_id"}}},
    ):
        result = preview("json-pairs", tmp_path, settings)
        assert "'20대' is not a number of this field" in result.never_filled["age"]
        assert "age" not in result.suggestions
        assert result.survey is not None and result.survey.used["speaker.age"] == "age"
