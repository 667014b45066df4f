from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest
from tests.corpus.layouts.text_grids import short_text_grid, text_grid

from soritune.corpus.reading.outcomes import ReadingError
from soritune.corpus.reading.textgrids import Interval, TextGridFile
from soritune.errors import SorituneError

TIERS = {"phones": [(0.0, 0.25, "가"), (0.25, 1.0, ""), (1.0, 1.5, " 나 ")], "words": [(0.0, 1.5, 'a ""b""')]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("write", [text_grid, short_text_grid])
def test_long_and_short_files_in_every_encoding_have_the_same_intervals(
    write: object, encoding: str, tmp_path: Path
) -> None:
    assert callable(write)
    (tmp_path / "a.TextGrid").write_text(unicodedata.normalize("NFD", write(TIERS)), encoding=encoding)
    grid = TextGridFile(tmp_path / "a.TextGrid")
    assert grid.names == ["phones", "words"]
    assert list(grid.tier("PHONES.")) == [
        Interval(0.0, 0.25, "가"),
        Interval(0.25, 1.0, ""),
        Interval(1.0, 1.5, "나"),
    ]
    assert [interval.text for interval in grid.tier("words")] == ['a "b"']


def test_missing_tier_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.TextGrid").write_text(text_grid(TIERS), encoding="utf-8")
    with pytest.raises(ReadingError, match="has no interval tier 'utt'; there are: phones, words") as caught:
        list(TextGridFile(tmp_path / "a.TextGrid").tier("utt"))
    assert caught.value.kind == "textgrid-tier"


@pytest.mark.parametrize(
    "content", [b"", b"File type", b"\xff\xfe\x00", b'File type = "ooTextFile"\nxmin = 0\n']
)
def test_damaged_files_are_faults_of_their_rows(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.TextGrid").write_bytes(content)
    with pytest.raises(ReadingError, match="is not a readable TextGrid") as caught:
        TextGridFile(tmp_path / "a.TextGrid")
    assert caught.value.kind == "textgrid-damaged"


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "praatio", None)
    with pytest.raises(SorituneError, match=r"pip install 'soritune\[textgrid\]'"):
        TextGridFile(tmp_path / "a.TextGrid")
