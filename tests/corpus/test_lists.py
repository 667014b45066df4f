"""Manifests from lists of paths and labels, and lists written as a corpus."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soritune.corpus.lists import make_manifest, write_list
from soritune.corpus.manifest import load_manifest
from soritune.corpus.prepare import prepare
from soritune.corpus.splitting.splits import SplitSettings, make_splits
from soritune.errors import ManifestError, SplitError


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files of 1, 2 and 3 seconds in two folders, and one that is not audio."""
    paths = [
        tmp_path / "가" / "1.wav",
        tmp_path / "가" / "2.wav",
        tmp_path / "b" / "3.wav",
        tmp_path / "b" / "4.wav",
    ]
    for number, path in enumerate(paths, 1):
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(8000 * number, 0.1), 8000)
    paths[3].write_bytes(b"no audio")
    return paths


def test_rows_have_the_values_of_lists_and_files(files: list[Path]) -> None:
    manifest = make_manifest(
        files,
        ["기쁨", None, "화남", "화남"],
        label_field="emotion",
        speakers=list("abca"),
        gender=["f", "m", "f", None],
        age=[7, 8.5, None, 9],
    )
    rows = list(manifest)
    assert [row.duration_s for row in rows] == [1.0, 2.0, 3.0, 0.0]
    assert [row.sample_rate_hz for row in rows] == [8000, 8000, 8000, None]
    assert [row.emotion for row in rows] == ["기쁨", None, "화남", "화남"]
    assert [(row.speaker, row.gender, row.age) for row in rows][:2] == [("a", "f", 7.0), ("b", "m", 8.5)]
    assert [manifest.audio_path(row) for row in rows] == files
    assert [row.id for row in rows] == [path.as_posix() for path in files]


def test_ids_are_the_given_paths_and_do_not_depend_on_other_files(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = [os.path.relpath(path, tmp_path) for path in files]
    assert make_manifest(relative).ids == ["가/1.wav", "가/2.wav", "b/3.wav", "b/4.wav"]
    alone = make_manifest(relative[:1])
    assert alone.ids == ["가/1.wav"]
    assert alone.audio_path(alone.utterance(0)).samefile(files[0])


def test_lists_that_do_not_fit_are_refused(files: list[Path]) -> None:
    with pytest.raises(ManifestError, match="4 audio_paths but 2 labels; give one for each path"):
        make_manifest(files, ["a", "b"], label_field="emotion")
    with pytest.raises(ManifestError, match="4 audio_paths but 1 speakers"):
        make_manifest(files, speakers=["a"])
    with pytest.raises(ManifestError, match=r"contains .*1\.wav twice, at 0 and 2"):
        make_manifest([files[0], files[1], str(files[0])])
    with pytest.raises(ManifestError, match="'emotions' is not an utterance field, did you mean 'emotion'"):
        make_manifest(files, emotions=["a"] * 4)
    with pytest.raises(ManifestError, match=r"1\.wav: field 'age' must be a finite number, got 'old'"):
        make_manifest(files, age=["old", 1, 2, 3])
    with pytest.raises(ManifestError, match="must be a list of paths"):
        make_manifest(str(files[0]))
    with pytest.raises(ManifestError, match="audio_paths is empty"):
        make_manifest([])
    with pytest.raises(ManifestError, match="audio_paths has None at 1; every entry must be a path"):
        make_manifest([files[0], None])  # type: ignore[list-item]
    with pytest.raises(ManifestError, match="audio_paths must be a list of paths, got None"):
        make_manifest(None)  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="speakers must be a list of values, got 'sp1' alone"):
        make_manifest(files[:3], speakers="sp1")
    with pytest.raises(ManifestError, match="age must be a list of values, got 7"):
        make_manifest(files, age=7)  # type: ignore[arg-type]


def test_labels_need_the_name_of_their_field(files: list[Path]) -> None:
    labels = ["f", "m", "f", None]
    assert [row.gender for row in make_manifest(files, labels, label_field="gender")] == labels
    with pytest.raises(ManifestError, match=r"labels need label_field, .*label_field='emotion', or emotion="):
        make_manifest(files, labels)
    with pytest.raises(ManifestError, match="labels are of the field 'gender', which is given too"):
        make_manifest(files, labels, label_field="gender", gender=labels)
    with pytest.raises(ManifestError, match="'dialect' is not an utterance field"):
        make_manifest(files, labels, label_field="dialect")


def test_iterables_are_accepted_and_blanks_around_values_removed(files: list[Path]) -> None:
    manifest = make_manifest(
        (path for path in files),
        (label for label in (" 기쁨 ", "기쁨", "\t", None)),
        label_field="emotion",
        speakers=iter(["a ", "b", "c", "d"]),
    )
    assert [row.emotion for row in manifest] == ["기쁨", "기쁨", None, None]
    assert [row.speaker for row in manifest] == ["a", "b", "c", "d"]


def test_without_speakers_only_a_random_split_is_possible(files: list[Path]) -> None:
    manifest = make_manifest(files[:3], emotion=["a", "b", "a"])
    with pytest.raises(SplitError, match="no utterance has one"):
        make_splits(manifest, SplitSettings(by=("speaker",)))
    splits = make_splits(
        manifest, SplitSettings(by=("random",), ratios={"train": 0.5, "val": 0.0, "test": 0.5})
    )
    assert any("random split" in warning for warning in splits.policy["warnings"])


def test_written_list_is_a_corpus_and_bad_files_are_quarantined(files: list[Path], tmp_path: Path) -> None:
    manifest = make_manifest(files, emotion=["x"] * 4, speakers=list("abcd"))
    path = write_list(tmp_path / "lists" / "data.jsonl", manifest)
    assert "duration_s" not in json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    made = prepare("manifest", path, {}, tmp_path / "out")
    assert made.manifest.ids == manifest.ids[:3]
    assert [row.id for row in made.quarantined] == [files[3].as_posix()]
    again = load_manifest(tmp_path / "out" / "manifest.parquet")
    assert [again.audio_path(row) for row in again] == files[:3]
