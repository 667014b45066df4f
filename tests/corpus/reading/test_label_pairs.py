"""Labels and recordings: pairs in one folder and in parallel trees, and rejections of everything without a partner."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from soritune.corpus.reading.label_pairs import LABEL_FOLDERS, Pair, counterparts, find_pairs
from soritune.corpus.reading.outcomes import Rejected, Skipped
from soritune.corpus.reading.split_names import SPLIT_FOLDERS, SplitFolders


def pairs_of(root: Path, *names: str) -> list[Pair | Rejected | Skipped]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return list(find_pairs(root, LABEL_FOLDERS, SplitFolders(SPLIT_FOLDERS)))


def paths(outcomes: list[Pair | Rejected | Skipped]) -> list[tuple[str, str]]:
    return sorted((item.label, item.audio) for item in outcomes if isinstance(item, Pair))


def rejections(outcomes: list[Pair | Rejected | Skipped]) -> dict[str, str]:
    """Path → kind."""
    return {item.audio: item.kind for item in outcomes if isinstance(item, Rejected)}


def test_label_and_recording_of_one_folder_are_paired_by_name(tmp_path: Path) -> None:
    outcomes = pairs_of(
        tmp_path, "a/1.wav", "a/1.json", "a/2.WAV", "a/2.JSON", "a/3.x.wav", "a/3.x.json", "a/4.wav", "a/4.wav.json",
        "a/B5.wav", "a/b5.json", "a/6.wav", "a/7.json", "a/note.txt", "a/._1.json",
    )  # fmt: skip
    assert paths(outcomes) == [
        ("a/1.json", "a/1.wav"), ("a/2.JSON", "a/2.WAV"), ("a/3.x.json", "a/3.x.wav"), ("a/4.wav.json", "a/4.wav"),
        ("a/b5.json", "a/B5.wav"),
    ]  # fmt: skip
    assert rejections(outcomes) == {
        "a/6.wav": "label-missing",
        "a/7.json": "recording-missing",
    }


def test_further_candidates_for_a_pair_are_rejected(tmp_path: Path) -> None:
    outcomes = pairs_of(tmp_path, "1.wav", "1.json", "1.wav.json", "2.flac", "2.wav", "2.json", "3.flac", "3.wav",
                 "3.flac.json", "3.wav.json")  # fmt: skip
    pairs = {item.audio: item for item in outcomes if isinstance(item, Pair)}
    assert pairs["1.wav"].label == "1.json" and pairs["2.flac"].label == "2.json"
    assert (pairs["3.flac"].name, pairs["3.wav"].name, pairs["1.wav"].name) == ("3.flac", "3.wav", "1")
    assert set(rejections(outcomes)) == {"1.wav.json", "2.wav"}


def test_parallel_trees_are_paired(tmp_path: Path) -> None:
    raw, label = unicodedata.normalize("NFD", "원천데이터"), "라벨링데이터"
    outcomes = pairs_of(
        tmp_path, f"1.Training/{raw}/TS1/s/1.wav", f"1.Training/{label}/TL1/s/1.json", f"1.Training/{raw}/TS1/s/2.wav",
        f"1.Training/{label}/TL1/s/3.json", "[원천]서울/4.wav", "[라벨]서울/4.json", "TLC/5.json", "TSC/5.wav",
    )  # fmt: skip
    assert paths(outcomes) == [
        (f"1.Training/{label}/TL1/s/1.json", f"1.Training/{raw}/TS1/s/1.wav"),
        ("[라벨]서울/4.json", "[원천]서울/4.wav"),
    ]
    assert set(rejections(outcomes)) == {
        f"1.Training/{raw}/TS1/s/2.wav", f"1.Training/{label}/TL1/s/3.json", "TLC/5.json", "TSC/5.wav",
    }  # fmt: skip


def test_counterpart_continues_the_name_with_a_sign(tmp_path: Path) -> None:
    for name in ("a/TS_1.서울/b", "a/TSx/b", unicodedata.normalize("NFD", "훈련") + "/01.원천데이터/TS1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "훈련").mkdir()
    assert list(counterparts(tmp_path, "a/TL_1.서울/b", {"TL": "TS"})) == ["a/TS_1.서울/b"]
    assert list(counterparts(tmp_path, "a/TLx/b", {"TL": "TS"})) == []
    assert list(counterparts(tmp_path, "a/TL2/b", {"TL": "TS"})) == []


def test_numbers_and_spelling_of_hangul_do_not_matter(tmp_path: Path) -> None:
    raw = unicodedata.normalize("NFD", "훈련")
    outcomes = pairs_of(tmp_path, "Training/01.원천데이터/TS1/1.wav", "Training/02.라벨링데이터/TL1/1.json",
                 f"{raw}/원천데이터/2.wav", f"{raw}/라벨링데이터/2.json")  # fmt: skip
    assert paths(outcomes) == [
        ("Training/02.라벨링데이터/TL1/1.json", "Training/01.원천데이터/TS1/1.wav"),
        (f"{raw}/라벨링데이터/2.json", f"{raw}/원천데이터/2.wav"),
    ]
    assert rejections(outcomes) == {}


def test_label_beside_the_recording_is_preferred_to_a_parallel_tree(tmp_path: Path) -> None:
    outcomes = pairs_of(
        tmp_path, "audio/a.wav", "audio/a.json", "labels/a.json", "audio/b.wav", "labels/b.json"
    )
    assert paths(outcomes) == [("audio/a.json", "audio/a.wav"), ("labels/b.json", "audio/b.wav")]
    assert rejections(outcomes) == {"labels/a.json": "label-second"}


def test_headerless_recordings_are_paired_unless_one_with_a_header_has_the_name(tmp_path: Path) -> None:
    names = ("labels/a.json", "audio/a.pcm", "b.json", "b.PCM", "c.json", "d.json", "d.pcm", "d.wav")
    outcomes = pairs_of(tmp_path, *names)
    assert {item.audio: item.name for item in outcomes if isinstance(item, Pair)} == {
        "audio/a.pcm": "audio/a",
        "b.PCM": "b",
        "d.wav": "d",
    }
    assert rejections(outcomes) == {"c.json": "recording-missing"}


def test_duplicated_validation_set_is_read_once(tmp_path: Path) -> None:
    names = [f"d/{part}/{n}.{kind}" for part in ("2.Validation", "2.Validation_split") for n in (1, 2)
             for kind in ("wav", "json")]  # fmt: skip
    outcomes = pairs_of(tmp_path, *names)
    assert {item.audio for item in outcomes if isinstance(item, Pair)} == {
        "d/2.Validation_split/1.wav", "d/2.Validation_split/2.wav"
    }  # fmt: skip
    assert [(item.kind, item.count) for item in outcomes if isinstance(item, Skipped)] == [
        ("split-replaced:2.Validation", 2)
    ]
