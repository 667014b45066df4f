"""Kaldi folders against files written by hand from its description of "data preparation"."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.corpus.layouts.prepared import tone

from soritune.corpus.exports.kaldi import write
from soritune.corpus.manifest import Manifest, write_manifest
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError


def manifest(root: Path, *rows: Utterance) -> Manifest:
    tone(root / "b 1.wav", 3.0, channels=2)
    return write_manifest(root / "m.jsonl", rows, root=root)


def files_of(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


def test_files_are_sorted_by_the_bytes_of_their_keys(tmp_path: Path) -> None:
    rows = [
        Utterance(
            id="가-1", audio="b 1.wav", duration_s=3.0, speaker="가", text="네  네", gender="f", age=7.5
        ),
        Utterance(id="s-1", audio="b 1.wav", duration_s=3.0, speaker="s", text="아니요"),
        Utterance(id="S-2", audio="b 1.wav", duration_s=3.0),
    ]
    notes = write({None: manifest(tmp_path, *rows)}, tmp_path / "out")
    path = tmp_path / "b 1.wav"
    assert files_of(tmp_path / "out") == {
        "wav.scp": f"S-2 {path}\ns-1 {path}\n가-1 {path}\n",
        "text": "s-1 아니요\n가-1 네 네\n",
        "utt2spk": "S-2 S-2\ns-1 s\n가-1 가\n",
        "spk2utt": "S-2 S-2\ns s-1\n가 가-1\n",
        "utt2dur": "S-2 3\ns-1 3\n가-1 3\n",
        "spk2gender": "가 f\n",
        "utt2age": "가-1 7.5\n",
    }
    assert notes == ["1 rows without a speaker have themselves as speaker"]


def test_stretches_and_channels_become_segments(tmp_path: Path) -> None:
    rows = [
        Utterance(id="a", audio="b 1.wav", duration_s=1.0, start_s=0.5, channel=1, speaker="a"),
        Utterance(id="b", audio="b 1.wav", duration_s=3.0, speaker="b", extra={"n": 1}),
    ]
    notes = write({"train": manifest(tmp_path, *rows)}, tmp_path / "out")
    written = files_of(tmp_path / "out" / "train")
    path = tmp_path / "b 1.wav"
    assert written["wav.scp"] == f"recording-0000000 {path}\nrecording-0000001 {path}\n"
    assert written["segments"] == "a recording-0000000 0.500000 1.500000\nb recording-0000001 0 -1\n"
    assert written["reco2file_and_channel"] == "recording-0000000 recording-0000000 B\n"
    assert notes == ["Kaldi does not hold 'extra', which 1 rows have"]


def test_gender_that_changes_within_a_speaker_is_that_of_the_rows(tmp_path: Path) -> None:
    rows = [
        Utterance(id=f"s-{n}", audio="b 1.wav", duration_s=3.0, speaker="s", gender=gender)
        for n, gender in enumerate(("f", None, "m"))
    ]
    write({None: manifest(tmp_path, *rows)}, tmp_path / "out")
    written = files_of(tmp_path / "out")
    assert "spk2gender" not in written and written["utt2gender"] == "s-0 f\ns-2 m\n"


def test_ids_without_their_speaker_are_reported(tmp_path: Path) -> None:
    row = Utterance(id="1", audio="b 1.wav", duration_s=3.0, speaker="s")
    (note,) = write({None: manifest(tmp_path, row)}, tmp_path / "out")
    assert note.startswith("1 ids do not begin with their speaker")


def test_keys_with_spaces_and_paths_that_are_commands_are_refused(tmp_path: Path) -> None:
    for row, reason in (
        (Utterance(id="a b", audio="b 1.wav", duration_s=3.0), "the id 'a b' has spaces"),
        (
            Utterance(id="a", audio="b 1.wav", duration_s=3.0, speaker="김 철수"),
            "the speaker '김 철수' has spaces",
        ),
        (Utterance(id="a", audio="rm |", duration_s=3.0), "Kaldi would run it as a command"),
    ):
        with pytest.raises(ManifestError, match=reason):
            write({None: manifest(tmp_path, row)}, tmp_path / "out")
