"""Labels and recordings: partners beside each other and in parallel trees, and everything left alone."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from soritune.corpus.reading.items import Rejected, Skipped
from soritune.corpus.reading.label_pairs import LABEL_FOLDERS, Pair, counterpart, find_pairs
from soritune.corpus.reading.split_names import SPLIT_FOLDERS, SplitFolders


def walk(root: Path, *names: str) -> list[Pair | Rejected | Skipped]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return list(find_pairs(root, LABEL_FOLDERS, SplitFolders(SPLIT_FOLDERS)))


def partners(found: list[Pair | Rejected | Skipped]) -> list[tuple[str, str]]:
    return sorted((item.label, item.audio) for item in found if isinstance(item, Pair))


def alone(found: list[Pair | Rejected | Skipped]) -> dict[str, str]:
    return {item.audio: item.reason for item in found if isinstance(item, Rejected)}


def test_beside_each_other(tmp_path: Path) -> None:
    found = walk(
        tmp_path, "a/1.wav", "a/1.json", "a/2.WAV", "a/2.JSON", "a/3.x.wav", "a/3.x.json", "a/4.wav", "a/4.wav.json",
        "a/B5.wav", "a/b5.json", "a/6.wav", "a/7.json", "a/note.txt", "a/._1.json",
    )  # fmt: skip
    assert partners(found) == [
        ("a/1.json", "a/1.wav"), ("a/2.JSON", "a/2.WAV"), ("a/3.x.json", "a/3.x.wav"), ("a/4.wav.json", "a/4.wav"),
        ("a/b5.json", "a/B5.wav"),
    ]  # fmt: skip
    assert alone(found) == {
        "a/6.wav": "has no JSON label of its name",
        "a/7.json": "has no recording of its name",
    }


def test_two_candidates(tmp_path: Path) -> None:
    found = walk(tmp_path, "1.wav", "1.json", "1.wav.json", "2.flac", "2.wav", "2.json", "3.flac", "3.wav",
                 "3.flac.json", "3.wav.json")  # fmt: skip
    pairs = {item.audio: item for item in found if isinstance(item, Pair)}
    assert pairs["1.wav"].label == "1.json" and pairs["2.flac"].label == "2.json"
    assert (pairs["3.flac"].name, pairs["3.wav"].name, pairs["1.wav"].name) == ("3.flac", "3.wav", "1")
    assert set(alone(found)) == {"1.wav.json", "2.wav"}


def test_parallel_trees(tmp_path: Path) -> None:
    raw, label = unicodedata.normalize("NFD", "원천데이터"), "라벨링데이터"
    found = walk(
        tmp_path, f"1.Training/{raw}/TS1/s/1.wav", f"1.Training/{label}/TL1/s/1.json", f"1.Training/{raw}/TS1/s/2.wav",
        f"1.Training/{label}/TL1/s/3.json", "[원천]서울/4.wav", "[라벨]서울/4.json", "TLC/5.json", "TSC/5.wav",
    )  # fmt: skip
    assert partners(found) == [
        (f"1.Training/{label}/TL1/s/1.json", f"1.Training/{raw}/TS1/s/1.wav"),
        ("[라벨]서울/4.json", "[원천]서울/4.wav"),
    ]
    assert set(alone(found)) == {
        f"1.Training/{raw}/TS1/s/2.wav", f"1.Training/{label}/TL1/s/3.json", "TLC/5.json", "TSC/5.wav",
    }  # fmt: skip


def test_counterparts(tmp_path: Path) -> None:
    for name in ("a/TS_1.서울/b", "a/TSx/b", unicodedata.normalize("NFD", "훈련") + "/01.원천데이터/TS1"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "훈련").mkdir()
    assert list(counterpart(tmp_path, "a/TL_1.서울/b", {"TL": "TS"})) == ["a/TS_1.서울/b"]
    assert list(counterpart(tmp_path, "a/TLx/b", {"TL": "TS"})) == []
    assert list(counterpart(tmp_path, "a/TL2/b", {"TL": "TS"})) == []


def test_numbered_trees_and_mixed_spellings_of_hangul(tmp_path: Path) -> None:
    raw = unicodedata.normalize("NFD", "훈련")
    found = walk(tmp_path, "Training/01.원천데이터/TS1/1.wav", "Training/02.라벨링데이터/TL1/1.json",
                 f"{raw}/원천데이터/2.wav", f"{raw}/라벨링데이터/2.json")  # fmt: skip
    assert partners(found) == [
        ("Training/02.라벨링데이터/TL1/1.json", "Training/01.원천데이터/TS1/1.wav"),
        (f"{raw}/라벨링데이터/2.json", f"{raw}/원천데이터/2.wav"),
    ]
    assert alone(found) == {}


def test_a_label_beside_and_one_in_a_parallel_tree(tmp_path: Path) -> None:
    found = walk(tmp_path, "audio/a.wav", "audio/a.json", "labels/a.json", "audio/b.wav", "labels/b.json")
    assert partners(found) == [("audio/a.json", "audio/a.wav"), ("labels/b.json", "audio/b.wav")]
    assert alone(found) == {"labels/a.json": "'audio/a.wav' already has the label audio/a.json"}


def test_sound_without_a_header_is_named(tmp_path: Path) -> None:
    found = walk(tmp_path, "labels/a.json", "audio/a.pcm", "b.json", "b.PCM", "c.json")
    assert {name: "without a header" in reason for name, reason in alone(found).items()} == {
        "labels/a.json": True, "b.json": True, "c.json": False
    }  # fmt: skip


def test_a_validation_set_that_is_there_twice_is_read_once(tmp_path: Path) -> None:
    names = [f"d/{part}/{n}.{kind}" for part in ("2.Validation", "2.Validation_split") for n in (1, 2)
             for kind in ("wav", "json")]  # fmt: skip
    found = walk(tmp_path, *names)
    assert {item.audio for item in found if isinstance(item, Pair)} == {
        "d/2.Validation_split/1.wav", "d/2.Validation_split/2.wav"
    }  # fmt: skip
    assert [(item.reason, item.count) for item in found if isinstance(item, Skipped)] == [
        ("label in 2.Validation passed over, 2.Validation_split is there", 2)
    ]
