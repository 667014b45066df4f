from __future__ import annotations

from pathlib import Path

import pytest
from praatio import textgrid

from soritune.assessment.time_files import TimeOutputs, ctm_text, cues, srt_text, time_files, vtt_text
from soritune.assessment.timing import Interval, Tiers
from soritune.errors import OutputError

PHONES = (Interval("G", 0.5, 0.6), Interval("A", 0.6, 0.75), Interval("B", 1.2, 1.3), Interval("I", 1.3, 1.5))
WORDS = (Interval("가", 0.5, 0.75), Interval("비", 1.2, 1.5))
TIERS = Tiers(PHONES, WORDS, WORDS)


def test_textgrid_is_read_by_the_library(tmp_path: Path) -> None:
    with time_files(TimeOutputs(textgrid=tmp_path / "grids")) as add:
        add("folder/clip.wav", TIERS, 2.0)
    grid = textgrid.openTextgrid(str(tmp_path / "grids" / "clip.TextGrid"), includeEmptyIntervals=True)
    assert grid.tierNames == ("words", "syllables", "phones")
    assert [tuple(entry) for entry in grid.getTier("words").entries] == [
        (0, 0.5, ""),
        (0.5, 0.75, "가"),
        (0.75, 1.2, ""),
        (1.2, 1.5, "비"),
        (1.5, 2.0, ""),
    ]


def test_textgrid_follows_the_published_long_format(tmp_path: Path) -> None:
    """The header of the manual of Praat, "TextGrid file formats"."""
    with time_files(TimeOutputs(textgrid=tmp_path)) as add:
        add("a", Tiers(PHONES), 2.5)
    lines = [line.strip() for line in (tmp_path / "a.TextGrid").read_text(encoding="utf-8").splitlines()]
    assert lines[:2] == ['File type = "ooTextFile"', 'Object class = "TextGrid"']
    assert lines[3:7] == ["xmin = 0", "xmax = 2.5", "tiers? <exists>", "size = 1"]
    assert 'class = "IntervalTier"' in lines
    assert 'name = "phones"' in lines


def test_clip_without_phones_has_an_empty_tier(tmp_path: Path) -> None:
    with time_files(TimeOutputs(textgrid=tmp_path)) as add:
        add("a", Tiers(), 1.0)
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=True)
    assert [tuple(entry) for entry in grid.getTier("phones").entries] == [(0, 1.0, "")]


def test_ctm_has_start_and_duration() -> None:
    assert ctm_text("내 파일", WORDS) == "내_파일 1 0.500 0.250 가\n내_파일 1 1.200 0.300 비\n"


def test_subtitles() -> None:
    words = [Interval("가", 0.5, 0.75), Interval("<나>", 0.8, 1.0), Interval("다", 3661.5, 3662.0)]
    assert srt_text(words) == (
        "1\n00:00:00,500 --> 00:00:01,000\n가 <나>\n\n2\n01:01:01,500 --> 01:01:02,000\n다\n\n"
    )
    assert vtt_text(words) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.000\n가 &lt;나&gt;\n\n01:01:01.500 --> 01:01:02.000\n다\n\n"
    )


def test_cue_ends_before_it_is_too_long() -> None:
    words = [Interval("가나다라마", number, number + 0.9) for number in range(8)]
    assert [cue.text.count("가") for cue in cues(words)] == [6, 2]
    assert [
        cue.text.count("가") for cue in cues([Interval("가" * 20, n / 2, n / 2 + 0.5) for n in range(3)])
    ] == [
        40,
        20,
    ]


def test_one_ctm_and_a_file_per_clip_with_distinct_names(tmp_path: Path) -> None:
    outputs = TimeOutputs(ctm=tmp_path / "all.ctm", srt=tmp_path / "s", vtt=tmp_path / "v", tier="phones")
    with time_files(outputs) as add:
        add("a/clip.wav", TIERS, 2.0)
        add("b/clip.wav", TIERS, 2.0)
    lines = (tmp_path / "all.ctm").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "clip 1 0.500 0.100 G"
    assert lines[4] == "clip-2 1 0.500 0.100 G"
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["clip-2.srt", "clip.srt"]
    assert (tmp_path / "v" / "clip.vtt").read_text(encoding="utf-8").startswith("WEBVTT\n")


def test_ctm_is_absent_after_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        with time_files(TimeOutputs(ctm=tmp_path / "all.ctm")) as add:
            add("a", TIERS, 2.0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not (tmp_path / "all.ctm").exists()


def test_paths_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file; give a folder"):
        TimeOutputs(srt=tmp_path / "file").check()
    with pytest.raises(OutputError, match="is a folder; give a file"):
        TimeOutputs(ctm=tmp_path).check()
    assert not TimeOutputs().any
