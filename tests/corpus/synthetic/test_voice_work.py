"""All utterances of one voice: their number, names, and rows that are read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from soritune.audio.waveform import read_header
from soritune.corpus.synthetic.settings import SynthesisSettings
from soritune.corpus.synthetic.voice_work import make_voice, read_rows, rows_file, voice_name

pytest.importorskip("espeakng_loader", reason="the extra 'speech' is not installed")


def test_names_are_unique_for_seed_part_and_number() -> None:
    names = {
        voice_name(seed, part, number)
        for seed in (1, 11)
        for part in ("train", "val", "test")
        for number in (1, 11)
    }
    assert len(names) == 12


def test_voice_is_made_with_its_files_and_rows(tmp_path: Path) -> None:
    settings = SynthesisSettings(
        seed=3, utterances_per_voice=3, mispronunciations={"rate": 0.3, "fluent": 0}, styles=["Kind", "Dry"]
    )
    seconds = make_voice(tmp_path, settings, "val", 2)
    assert rows_file(tmp_path, "val", 2) == tmp_path / "voices" / "val" / "00002.jsonl"
    rows = read_rows(rows_file(tmp_path, "val", 2))
    assert [row.id for row in rows] == [f"s3-val-00002-{n:03d}" for n in range(3)]
    assert {row.speaker for row in rows} == {"s3-val-00002"} and {row.extra["split"] for row in rows} == {
        "val"
    }
    assert sum(read_header(tmp_path / row.audio).duration_s for row in rows) == pytest.approx(seconds)
    assert {row.emotion for row in rows[:2]} == {"Kind", "Dry"}  # every style before one is repeated
    for row in rows:
        assert isinstance(row.phones, tuple) and isinstance(row.canonical, tuple)
        assert len(row.canonical) == len(row.perceived or ()) == len(row.error_labels or ())


def test_voice_depends_only_on_settings_part_and_number(tmp_path: Path) -> None:
    settings = SynthesisSettings(seed=3, utterances_per_voice=1)
    for folder in ("a", "b"):
        make_voice(tmp_path / folder, settings, "train", 0)
    first, second = (read_rows(rows_file(tmp_path / folder, "train", 0)) for folder in ("a", "b"))
    assert first == second
    assert (tmp_path / "a" / first[0].audio).read_bytes() == (tmp_path / "b" / second[0].audio).read_bytes()
    make_voice(tmp_path / "a", settings, "train", 1)
    assert read_rows(rows_file(tmp_path / "a", "train", 1))[0].text != first[0].text


def test_part_of_a_file_that_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    settings = SynthesisSettings(seed=3, utterances_per_voice=1)
    folder = tmp_path / "audio" / "train" / "00000"
    folder.mkdir(parents=True)
    (folder / ".s3-train-00000-0.baa0f3bb.flac").write_bytes(b"fLaC")
    make_voice(tmp_path, settings, "train", 0)
    assert [path.name for path in folder.iterdir()] == ["s3-train-00000-000.flac"]
