"""Tables of recordings: columns by name, rows that contradict each other, and splits by file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from soritune.corpus.reading.outcomes import STRETCHES_UNMAPPED, Note, Outcome, Rejected, Skipped
from soritune.corpus.sources.csv import SOURCE, CsvConfig, read_corpus, survey
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError


def read(root: Path, text: str, *audio: str, name: str = "list.csv", **settings: Any) -> list[Outcome]:
    for path in audio:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    (root / name).write_text(text, encoding="utf-8")
    return list(read_corpus(root, CsvConfig(**settings)))


def rows(outcomes: list[Outcome]) -> list[Utterance]:
    assert [item for item in outcomes if not isinstance(item, Utterance)] == []
    return [item for item in outcomes if isinstance(item, Utterance)]


def test_columns_are_found_by_name_and_others_are_kept(tmp_path: Path) -> None:
    text = "File Name;LABEL;Speaker;Age;녹음일;id;split\na.wav;화남;F1;만 7세;5월;17;train\n"
    (row,) = rows(read(tmp_path, text, "a.wav"))
    assert (row.id, row.audio, row.emotion, row.speaker, row.age) == ("a.wav", "a.wav", "화남", "F1", 7)
    assert row.extra == {"녹음일": "5월", "id": "17", "split": "train"}
    assert (row.language, row.source) == ("ko", tmp_path.name)


def test_mapped_columns_are_read_and_missing_ones_refused(tmp_path: Path) -> None:
    text = "파일,감정,번호\na.wav,화남,u1\n"
    outcomes = read(tmp_path, text, "a.wav", fields={"audio": "파일", "emotion": " 감 정", "id": "번호"})
    (row,) = rows(outcomes)
    assert (row.id, row.emotion, dict(row.extra)) == ("u1", "화남", {})
    with pytest.raises(ManifestError, match=r"no column file_path or path .*there are: 파일, 감정, 번호"):
        read(tmp_path, text)
    with pytest.raises(ManifestError, match=r"no column 감정들 \(for 'emotion'\).*--field emotion=감정"):
        read(tmp_path, text, fields={"audio": "파일", "emotion": "감정들"})
    with pytest.raises(ManifestError, match="has 2 columns called 'label'"):
        read(tmp_path, "path,label,label\na.wav,1,2\n")


def test_pattern_reads_fields_from_the_path(tmp_path: Path) -> None:
    settings = {"speaker_pattern": r"(?P<speaker>F\d+)[/_](?P<emotion>[a-z]+)"}
    text = "path,speaker\nx\\F1\\joy\\1.wav,\nx/F2/joy/1.wav,S9\ny.wav,\n"
    outcomes = rows(read(tmp_path, text, "x/F1/joy/1.wav", "x/F2/joy/1.wav", "y.wav", **settings))
    assert [(r.speaker, r.emotion) for r in outcomes] == [("F1", "joy"), ("S9", "joy"), (None, None)]
    for bad, reason in (
        ("(", "not a regular expression"),
        ("a", "no named group"),
        ("(?P<who>a)", "not an utterance field"),
    ):
        with pytest.raises(ValidationError, match=reason):
            CsvConfig(speaker_pattern=bad)


def test_repeated_rows_are_skipped_and_contradicting_ones_rejected(tmp_path: Path) -> None:
    text = "path,emotion\na.wav,x\nb.wav,x\n./a.wav,x\nb.wav,y\nb.wav,x\nc.wav,z\n"
    outcomes = read(tmp_path, text, "a.wav", "b.wav", "c.wav")
    assert [item.id for item in outcomes if isinstance(item, Utterance)] == ["a.wav", "c.wav"]
    assert [item for item in outcomes if isinstance(item, Skipped)] == [
        Skipped("row repeated", 1, "list.csv line 4: a.wav", kind="row-repeated")
    ]
    rejected = [item for item in outcomes if isinstance(item, Rejected)]
    assert {(item.id, item.kind, item.reason) for item in rejected} == {
        (
            "b.wav",
            "values-differ",
            "list.csv line 3, list.csv line 5, list.csv line 6: listed with different values: emotion x and y",
        )
    }
    assert len(rejected) == 3


def test_rows_that_differ_in_other_columns_are_rejected_as_stretches(tmp_path: Path) -> None:
    lines = "".join(f"s.wav,k,{n},{n + 1},문장 {n}\n" for n in range(4))
    outcomes = read(tmp_path, "file_path,speaker,시작,종료,전사\n" + lines, "s.wav")
    assert len(outcomes) == 4
    assert {item.kind for item in outcomes if isinstance(item, Rejected)} == {STRETCHES_UNMAPPED}
    assert {item.reason for item in outcomes if isinstance(item, Rejected)} == {
        "list.csv line 2, list.csv line 3, list.csv line 4 and 1 more: listed with different values: '시작' 0 and 1 "
        "and 2 …, '종료' 1 and 2 and 3 …, '전사' 문장 0 and 문장 1 and 문장 2 …; if they are stretches of one "
        "recording, map start_s and end_s"
    }
    mapped = {"start_s": "시작", "end_s": "종료", "text": "전사"}
    assert len(rows(list(read_corpus(tmp_path, CsvConfig(fields=mapped))))) == 4
    (row, _) = [item for item in read(tmp_path, "path,memo\ns.wav,x\ns.wav,\n") if isinstance(item, Rejected)]
    assert "'memo' x and nothing" in row.reason


def test_reasons_stay_short_with_very_many_contradicting_rows(tmp_path: Path) -> None:
    text = "path,text\n" + "".join(f"s.wav,{'긴 문장 ' * 20}{n}\n" for n in range(3000))
    outcomes = read(tmp_path, text, "s.wav")
    assert len(outcomes) == 3000 and all(isinstance(item, Rejected) for item in outcomes)
    assert max(len(item.reason) for item in outcomes if isinstance(item, Rejected)) < 300


def test_recording_in_several_splits_is_kept_in_each_and_noted(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).touch()
    (tmp_path / "train.csv").write_text("path,label\na.wav,x\nb.wav,x\nc.wav,x\nc.wav,x\n")
    (tmp_path / "test.csv").write_text("path,label\na.wav,x\nb.wav,y\n")
    outcomes = list(read_corpus(tmp_path, CsvConfig()))
    kept = [(item.id, item.audio, item.extra["split"]) for item in outcomes if isinstance(item, Utterance)]
    assert kept == [
        ("a.wav", "a.wav", "test"),
        ("a.wav#train", "a.wav", "train"),
        ("c.wav", "c.wav", "train"),
    ]
    assert [item for item in outcomes if isinstance(item, Note)] == [
        Note(
            "recording in several splits (kept in each: test, train)",
            1,
            "a.wav",
            kind="several-splits:test, train",
        )
    ]
    assert [item.audio for item in outcomes if isinstance(item, Rejected)] == ["b.wav", "b.wav"]


def test_channels_and_close_starts_have_different_ids(tmp_path: Path) -> None:
    text = "path,channel,start,end\na.wav,0,0,1\na.wav,1,0,1\nb.wav,0,1.0000001,1.5\nb.wav,0,1.0000002,1.7\n"
    text += "c.wav,0,,\nc.wav,1,,\n"
    assert [row.id for row in rows(read(tmp_path, text, "a.wav", "b.wav", "c.wav"))] == [
        "a.wav#ch0-0.000-1.000", "a.wav#ch1-0.000-1.000", "b.wav#ch0-1.000-1.500", "b.wav#ch0-1.000-1.700",
        "c.wav#ch0", "c.wav#ch1",
    ]  # fmt: skip


def test_table_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has a header and no rows"):
        read(tmp_path, "path,label\n")


def test_stretches_of_one_file_are_read(tmp_path: Path) -> None:
    text = "path,start,end,text\na.wav,0,1.5,하나\na.wav,1.5,4,둘\n"
    outcomes = rows(read(tmp_path, text, "a.wav"))
    assert [(r.id, r.start_s, r.duration_s) for r in outcomes] == [
        ("a.wav#0.000-1.500", 0, 1.5),
        ("a.wav#1.500-4.000", 1.5, 2.5),
    ]


def test_audio_in_another_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    text = "path\nD:\\corpus\\s\\1.wav\n"
    settings: dict[str, Any] = {"audio_root": "../audio", "drop_prefix": "D:\\corpus"}
    (row,) = rows(read(tmp_path / "meta", text, "../audio/s/1.wav", **settings))
    assert row.audio == "s/1.wav"
    base = SOURCE.base(tmp_path / "meta", CsvConfig(**settings))
    assert (base / row.audio).samefile(tmp_path / "audio" / "s" / "1.wav")


def test_tables_of_a_folder_are_found(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"holds no \.csv or \.tsv"):
        list(read_corpus(tmp_path, CsvConfig()))
    (tmp_path / "a.wav").touch()
    (tmp_path / "b.wav").touch()
    (tmp_path / "train.csv").write_text("path,label\na.wav,x\n")
    (tmp_path / "test.csv").write_text("path,label\nb.wav,x\n")
    outcomes = rows(list(read_corpus(tmp_path, CsvConfig())))
    assert {r.audio: r.extra["split"] for r in outcomes} == {"a.wav": "train", "b.wav": "test"}
    (tmp_path / "other.csv").write_text("path,label\nb.wav,x\n")
    with pytest.raises(
        ManifestError, match=r"several tables \(other.csv, test.csv, train.csv\); give the table"
    ):
        list(read_corpus(tmp_path, CsvConfig()))
    assert len(rows(list(read_corpus(tmp_path, CsvConfig(files=("other.csv",)))))) == 1
    assert len(rows(list(read_corpus(tmp_path / "other.csv", CsvConfig())))) == 1
    with pytest.raises(ManifestError, match="does not exist"):
        list(read_corpus(tmp_path, CsvConfig(files=("gone.csv",))))


def test_table_without_a_header_is_read(tmp_path: Path) -> None:
    outcomes = rows(read(tmp_path, "a.wav,x\nb.wav,y\n", "a.wav", "b.wav", columns=("path", "emotion")))
    assert [(r.id, r.emotion) for r in outcomes] == [("a.wav", "x"), ("b.wav", "y")]


def test_survey_lists_columns_and_their_use(tmp_path: Path) -> None:
    read(tmp_path, "path,label,memo\na.wav,,\nb.wav,x,좋음\n")
    seen = survey(tmp_path, CsvConfig(), 10)
    assert (seen.looked_at, seen.examples) == (2, {"path": "a.wav", "label": "x", "memo": "좋음"})
    assert seen.used == {"path": "audio", "label": "emotion", "memo": "extra"}


def test_case_of_a_long_delimiter(shared_cases: Path) -> None:
    config = CsvConfig(delimiter=" :: ", columns=("file_path", "text"), transcript="ksponspeech")
    result = rows(list(read_corpus(shared_cases / "B02_trn_separator" / "train.trn", config)))
    assert [row.text for row in result] == ["o/ 아/ 그래", "그렇지 n/"]
    config = CsvConfig(columns=("file_path", "text"))
    assert rows(list(read_corpus(shared_cases / "B02_trn_separator" / "train.trn", config))) == result


def test_case_of_bars_and_commas(shared_cases: Path) -> None:
    config = CsvConfig(columns=("audio", "raw", "text", "nfd", "secs", "en"))
    result = rows(list(read_corpus(shared_cases / "B04_kss_bars" / "transcript.txt", config)))
    assert [row.text for row in result] == ["그는 왔고, 나는 갔고, 끝났다.", "아니, 왜, 그래?"]
    assert [row.extra["en"] for row in result] == ["He came, I went, over.", "No, why, so?"]


def test_case_of_quotation_marks_that_are_text(shared_cases: Path) -> None:
    config = CsvConfig(fields={"text": "sentence", "speaker": "client_id"}, audio_root="clips")
    result = rows(list(read_corpus(shared_cases / "B05_common_voice_quotes" / "validated.tsv", config)))
    assert [row.text for row in result] == ['"왔다" 라고 "했다"', '"왜 그래?', "그래"]


def test_speakers_are_the_same_with_and_without_a_fraction(tmp_path: Path) -> None:
    text = "file_path,speaker,text\na.wav,2.0,글\nb.wav,2,말\nc.wav,2.5,책\n"
    assert [row.speaker for row in rows(read(tmp_path, text))] == ["2", "2", "2.5"]


def test_second_column_of_paths_is_noted(tmp_path: Path) -> None:
    note, row = read(tmp_path, "file_path,audio,emotion\na.wav,b.wav,화남\n", "a.wav", "b.wav")
    assert isinstance(note, Note) and isinstance(row, Utterance)
    assert note.reason == "audio is read from the column 'file_path', and not from 'audio'"
    assert row.audio == "a.wav"


def test_words_for_missing_values_are_counted_once(tmp_path: Path) -> None:
    config = CsvConfig()
    (tmp_path / "list.csv").write_text("file_path,speaker\na.wav,nan\nb.wav,F1\n", encoding="utf-8")
    first, second = read_corpus(tmp_path, config)
    assert isinstance(first, Utterance) and isinstance(second, Utterance)
    assert (first.speaker, second.speaker) == (None, "F1")
    assert [note.count for note in config._missing.notes()] == [1]
