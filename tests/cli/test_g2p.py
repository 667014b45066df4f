import io
import json
import sys

import pytest

from soritune.cli.g2p import g2p
from soritune.errors import TextError


def output(capsys, *args, **options):
    g2p(*args, tagger="none", **options)
    return capsys.readouterr().out.splitlines()


def test_text_is_printed_as_hangul_or_phones(capsys):
    assert output(capsys, "학교에 갔습니다") == ["학꾜에 갇씀니다"]
    assert output(capsys, "학교", phones=True) == ["H A k GG iO"]


def test_variants_and_articles_are_printed(capsys):
    assert output(capsys, "깃발", variants=True) == ["기빨", "긷빨"]
    assert output(capsys, "국물", explain=True) == ["궁물", "  국물 → 궁물  (article 18: nasalisation)"]


def test_json_has_one_object_per_line(capsys):
    (line,) = output(capsys, "국물", as_json=True, variants=True, explain=True)
    record = json.loads(line)
    assert record["pronunciation"] == "궁물"
    assert record["phones"] == ["G", "U", "NG", "M", "U", "L"]
    assert record["variants"] == ["궁물"]
    assert record["changes"][0]["article"] == "18"


def test_lines_of_a_file_or_stdin_are_converted(capsys, tmp_path, monkeypatch):
    path = tmp_path / "lines.txt"
    path.write_text("국물\n\n밭 아래\n", encoding="utf-8")
    assert output(capsys, file=path) == ["궁물", "", "바 다래"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("밭 아래\n"))
    assert output(capsys, boundary="word") == ["받 아래"]


def test_text_without_a_reading_is_reported(capsys, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("국물\n꽃😀 国\n", encoding="utf-8")
    g2p(file=path, tagger="none")
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["궁물", "꼳"]
    assert printed.err.splitlines() == [
        "line 2, character 2: '😀' (GRINNING FACE) has no reading and is left out",
        "line 2, character 4: '国' (CJK UNIFIED IDEOGRAPH-56FD) has no reading and is left out",
    ]
    (line,) = output(capsys, "꽃😀", as_json=True)
    assert json.loads(line)["unread"] == [{"start": 1, "text": "😀", "name": "GRINNING FACE"}]


def test_bad_input_is_refused_with_the_reason(tmp_path):
    with pytest.raises(TextError, match="does not exist"):
        g2p(file=tmp_path / "none.txt", tagger="none")
    with pytest.raises(TextError, match="give one of them"):
        g2p("가", file=tmp_path / "none.txt", tagger="none")
    lexicon = tmp_path / "bad.tsv"
    lexicon.write_text("콩밥\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"bad\.tsv, line 1"):
        g2p("가", lexicon=lexicon, tagger="none")


def test_transcript_marks_are_reported_or_removed(capsys, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("네\n[noise] 네\n", encoding="utf-8")
    g2p(file=path, tagger="none")
    assert capsys.readouterr().err.splitlines() == [
        "line 2: '[noise]' looks like a transcript mark and is read as words; --transcript tags removes it"
    ]
    g2p(file=path, tagger="none", transcript="tags")
    printed = capsys.readouterr()
    assert (printed.out.splitlines(), printed.err) == (["네", "네"], "")
    (line,) = output(capsys, "b/ 네", as_json=True)
    assert json.loads(line)["marks"] == ["b/"]


def test_case_of_marks_read_aloud(capsys, shared_cases):
    lines = shared_cases / "B12_marks_in_transcripts" / "lines.txt"
    g2p(file=lines, tagger="none")
    messages = capsys.readouterr().err.splitlines()
    reported = [line.partition(":")[0] for line in messages if "transcript mark" in line]
    assert reported == [f"line {number}" for number in range(1, 7)]  # the seventh has an invisible sign only


def test_other_encodings_on_stdin_are_refused(capsys, monkeypatch):
    raw = io.BytesIO("안녕하세요\n".encode("cp949"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape"))
    with pytest.raises(TextError, match="stdin: cannot be read .*expected UTF-8"):
        g2p(tagger="none")


def test_many_faulty_lines_are_counted_and_not_all_named(capsys, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("(웃음) 네 b/\n" + "네👍\n" * 24, encoding="utf-8")
    g2p(None, file=file, tagger="none")
    out, err = capsys.readouterr()
    lines = err.replace("\n--", " --").splitlines()
    assert len(out.splitlines()) == 25
    assert "'(웃음)', 'b/' look like transcript marks and are read as words" in err and "removes them" in err
    assert sum("has no reading" in line for line in lines) == 19
    assert "5 more lines have marks or characters without a reading; --json lists them" in err
