"""script.txt: ids in all spellings, and a report of every line without use."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soritune.corpus.reading.outcomes import Note, Rejected
from soritune.corpus.reading.script_file import Script


def script(tmp_path: Path, *lines: str, encoding: str = "utf-8") -> Script:
    (tmp_path / "script.txt").write_bytes("\n".join(lines).encode(encoding))
    return Script.read(tmp_path / "script.txt", "F1/script.txt")


def reasons(read: Script) -> list[str]:
    return [item.reason for item in read.report()]


@pytest.mark.parametrize(
    "line",
    ["F1_000021\t글 하나", "F1_000021 글 하나", "F1_000021.wav   글  하나", "F1_000021.WAV\t글\t하나", "000021 글 하나",
     "21 글 하나", "0021\t글 하나", "wav_48000/F1_000021.wav\t글 하나", "wav\\F1_000021.wav\t글 하나",
     "  F1_000021 글 하나  ", unicodedata.normalize("NFD", "F1_000021 글 하나")],
)  # fmt: skip
def test_id_is_found_in_every_spelling(tmp_path: Path, line: str) -> None:
    read = script(tmp_path, line)
    assert read.text_of("F1_000021.wav", "F1", 21) == (True, "글 하나")
    assert reasons(read) == []


@pytest.mark.parametrize(
    "line", ["F2_000021 글", "000211 글", "121 글", "f1_21x 글", "F1_000021_1 글", "2 1 글"]
)
def test_line_of_another_recording_is_reported(tmp_path: Path, line: str) -> None:
    read = script(tmp_path, line)
    assert read.text_of("F1_000021.wav", "F1", 21) == (False, None)
    assert len(reasons(read)) == 1 and "no recording for line 1" in reasons(read)[0]


def test_faults_are_reported_with_their_lines(tmp_path: Path) -> None:
    read = script(
        tmp_path,
        "",
        "F1_1",
        "F1_2\t ",
        "1 글",
        "F1_000001\t다른 글",
        "3 셋",
        "3 셋",
        "4 넷",
        "5 다섯",
        "7 일곱",
    )
    assert read.text_of("F1_000001.wav", "F1", 1) == (True, None)
    assert read.text_of("F1_000003.wav", "F1", 3) == (True, "셋")
    report = list(read.report())
    assert [item.reason for item in report if isinstance(item, Rejected)] == [
        "lines must be `id<TAB or space>text`, not so are lines 2-3 (the first is 'F1_1')",
        "lines 4 and 5 give F1_000001.wav different texts; it is read without a text",
        "no recording for lines 8-10 (the first is '4')",
    ]
    assert [item.kind for item in report] == [
        "script-line",
        "script-contradiction",
        "script-recording-missing",
        "script-line-repeated",
    ]
    assert [item.example for item in report if isinstance(item, Note)] == ["F1/script.txt, line 7: 3"]


def test_script_in_two_encodings_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_bytes("F1_1 글\n".encode() + "F1_2 글\n".encode("cp949"))
    read = Script.read(tmp_path / "script.txt", "F1/script.txt")
    assert read.text_of("F1_1.wav", "F1", 1) == (False, None)
    assert len(reasons(read)) == 1 and "neither UTF-8" in reasons(read)[0]


@given(st.lists(st.text(max_size=20), max_size=8))
def test_every_line_is_used_or_reported(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """Without any recording, every line that is not blank is reported."""
    read = Script("s")
    for number, line in enumerate(lines, start=1):
        read._add(number, line)
    assert bool(list(read.report())) == any(line.strip().removeprefix("\ufeff") for line in lines)


def test_very_long_number_is_not_an_id(tmp_path: Path) -> None:
    read = script(tmp_path, f"{'1' * 5000}\t글", "2\t둘")
    assert read.text_of("F1_2.wav", "F1", 2) == (True, "둘")
