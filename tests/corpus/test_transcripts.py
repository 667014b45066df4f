"""Transcripts with annotation: cleaned by every source on request, otherwise counted, quoted and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.corpus.prepare import Prepared, prepare
from soritune.corpus.preview import preview
from soritune.corpus.reading.source_config import SourceConfig
from soritune.corpus.sources.source import Source
from soritune.corpus.transcripts import MarkCount, read_outcomes
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError
from soritune.stages.check import check_rows

MARKED = ["o/ 그+ (70%)/(칠십 퍼센트)", "b/ n/", "네 l/"]


def corpus(folder: Path, source: str, texts: list[str]) -> tuple[Path, dict[str, Any]]:
    """A corpus of these texts in the layout of a source: its root and settings."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(texts)):
        soundfile.write(folder / f"a{number}.wav", np.random.default_rng(number).normal(0, 0.1, 8000), 16000)
    names = [f"a{number}" for number in range(len(texts))]
    if source == "csv":
        lines = [f'{name}.wav,"{text}"\n' for name, text in zip(names, texts, strict=True)]
        (folder / "t.csv").write_text("file_path,text\n" + "".join(lines), encoding="utf-8")
        return folder, {}
    if source == "speaker-folders":
        lines = [f"{name}\t{text}\n" for name, text in zip(names, texts, strict=True)]
        (folder / "script.txt").write_text("".join(lines), encoding="utf-8")
        return folder, {"pattern": r"(?P<speaker>\w+)\.wav"}
    rows = [
        {"id": name, "audio": f"{name}.wav", "text": text} for name, text in zip(names, texts, strict=True)
    ]
    if source == "manifest":
        (folder / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return folder / "m.jsonl", {}
    if source == "json-pairs":
        for row in rows:
            (folder / f"{row['id']}.json").write_text(json.dumps({"text": row["text"]}), encoding="utf-8")
        return folder, {"allow_empty_text": True}
    entries = {row["audio"]: {"wav": row["audio"], "wrd": row["text"]} for row in rows}
    (folder / "train_data.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder, {"required": []}


def prepared(folder: Path, source: str, texts: list[str], **settings: Any) -> Prepared:
    root, config = corpus(folder / "corpus", source, texts)
    return prepare(source, root, {**config, **settings}, folder / "out")


SOURCES = ["csv", "speaker-folders", "manifest", "json-pairs", "l2-json"]


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_removes_annotation_on_request(tmp_path: Path, source: str) -> None:
    rows = list(prepared(tmp_path, source, MARKED, transcript="ksponspeech").manifest)
    assert [row.text for row in rows] == ["그 칠십 퍼센트", None, "네"]
    assert [row.extra["transcript"] for row in rows] == MARKED
    assert [row.text_source for row in rows][1] == "none"


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_refuses_annotated_texts_without_the_setting(tmp_path: Path, source: str) -> None:
    with pytest.raises(ManifestError, match="3 of 3 texts.*transcript=ksponspeech.*max_marked_share"):
        prepared(tmp_path, source, MARKED)
    assert not (tmp_path / "out" / "manifest.parquet").exists()


def test_spelling_side_and_fillers(tmp_path: Path) -> None:
    rows = prepared(
        tmp_path, "csv", MARKED, transcript="aihub", transcript_side="spelling", keep_fillers=False
    ).manifest
    assert [row.text for row in rows] == ["70%", None, "네"]


def test_few_marked_texts_are_counted_and_quoted(tmp_path: Path) -> None:
    texts = [*["그래"] * 10, "[noise] 네"]
    result = prepared(tmp_path, "csv", texts, max_marked_share=0.2)
    (reason,) = result.notes
    assert result.notes[reason] == 1
    assert "1 of 11 texts" in reason and "'[noise]' (1)" in reason and "transcript=tags" in reason


def test_marks_of_another_notation_are_refused_after_cleaning(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"'\[noise\]'.*transcript=tags"):
        prepared(tmp_path, "csv", ["b/ 네 [noise]"], transcript="ksponspeech")


def test_rows_that_hide_words_go_to_quarantine_or_lose_the_mark(tmp_path: Path) -> None:
    texts = ["&name1& 고객님", "네", "(&name1&)/(철수) 씨"]
    result = prepared(tmp_path / "1", "csv", texts, transcript="aihub")
    assert [row.kind for row in result.quarantined] == ["transcript-hidden"]
    assert [row.text for row in result.manifest] == ["네", "철수 씨"]
    dropped = prepared(tmp_path / "2", "csv", texts, transcript="aihub", hidden_words="drop")
    assert [row.text for row in dropped.manifest] == ["고객님", "네", "철수 씨"]


def test_row_of_marks_alone_is_rejected_where_texts_are_required(tmp_path: Path) -> None:
    result = prepared(tmp_path, "csv", ["b/ n/", "네"], transcript="ksponspeech", required=["text"])
    assert [row.kind for row in result.quarantined] == ["field-missing:text"]


def test_setting_without_effect_is_reported(tmp_path: Path) -> None:
    assert "transcript=aihub changed no text" in prepared(tmp_path, "csv", ["네"], transcript="aihub").notes
    with pytest.raises(ManifestError, match="keep_fillers has no effect with transcript=plain"):
        prepared(tmp_path, "csv", ["네"], keep_fillers=False)


def test_preview_reports_what_prepare_refuses(tmp_path: Path) -> None:
    root, config = corpus(tmp_path, "csv", MARKED)
    result = preview("csv", root, config)
    assert result.fault is not None and "transcript=ksponspeech" in result.fault
    assert result.notes["transcript-marks"].count == 3


def test_check_counts_and_refuses_marks_of_a_manifest(tmp_path: Path) -> None:
    manifest = prepared(tmp_path, "csv", MARKED, max_marked_share=1).manifest
    with pytest.raises(ManifestError, match="3 of 3 texts"):
        check_rows(manifest, None, [])
    assert check_rows(manifest, None, [], max_marked_share=1).marks.marks["b/"] == 1


def test_characters_that_phones_lose_are_reported_once_per_corpus(tmp_path: Path) -> None:
    result = prepared(tmp_path, "csv", ["좋아요👍", "또👍", "네"])
    lost = [(remark, count) for remark, count in result.notes.items() if "without a reading" in remark]
    assert lost == [(lost[0][0], 2)]
    assert "2 of 3 texts" in lost[0][0] and "'👍' (2)" in lost[0][0] and "'좋아요👍'" in lost[0][0]
    checked = check_rows(result.manifest, None, []).notes
    assert checked == {lost[0][0]: 2}


def test_marks_are_counted_once_per_text() -> None:
    count = MarkCount()
    for text in ["b/ 네 b/", "네", None, ""]:
        count.add(text)
    assert (count.texts, count.marked, count.marks) == (2, 1, {"b/": 1})


def test_ksponspeech_case(shared_cases: Path, tmp_path: Path) -> None:
    table = shared_cases / "B01_ksponspeech_notation" / "kspon.csv"
    with pytest.raises(ManifestError, match="3 of 3 texts.*transcript=ksponspeech"):
        prepare("csv", table, {}, tmp_path)
    rows = prepare("csv", table, {"transcript": "ksponspeech"}, tmp_path).manifest
    assert [row.text for row in rows] == ["아 그 그래서 칠십 퍼센트 정도", None, "티비 보고 있었어"]


def test_case_of_marks_in_transcripts(shared_cases: Path, tmp_path: Path) -> None:
    lines = (shared_cases / "B12_marks_in_transcripts" / "lines.txt").read_text(encoding="utf-8").splitlines()
    with pytest.raises(ManifestError, match="6 of 7 texts.*'&name1&'.*transcript=tags"):
        prepared(tmp_path / "plain", "csv", lines)
    result = prepared(tmp_path / "tags", "csv", lines, transcript="tags")
    assert [row.text for row in result.manifest] == ["네", "네", "그래 요", "값이"]
    assert [row.kind for row in result.quarantined] == ["transcript-hidden"] * 3


@pytest.mark.parametrize(("marked_of_ten", "read_rows"), [(6, 5_000), (5, 20_000)])
def test_corpus_of_mostly_marked_texts_is_refused_early(
    tmp_path: Path, marked_of_ten: int, read_rows: int
) -> None:
    """Of half of the first 5,000 texts the rest may still have none, so such a corpus is read to its end."""
    rows = []

    def read(root: Path, config: SourceConfig) -> Iterator[Utterance]:
        for number in range(20_000):
            rows.append(number)
            text = "b/ 네" if number % 10 < marked_of_ten else "네"
            yield Utterance(id=str(number), audio="a.wav", duration_s=1.0, text=text)

    share = f"{read_rows * marked_of_ten // 10:,} of {read_rows:,} texts"
    with pytest.raises(ManifestError, match=rf"{share}.*it is 0\.1"):
        list(read_outcomes(Source(SourceConfig, read, "rows"), tmp_path, SourceConfig()))
    assert len(rows) == read_rows
