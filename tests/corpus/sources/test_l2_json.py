"""JSON in the style of L2-ARCTIC: files made here, and the counts of published ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.corpus.prepare import prepare
from soritune.corpus.reading.outcomes import Note, Outcome, Rejected
from soritune.corpus.sources.l2_json import SOURCE, L2JsonConfig, read_corpus, survey
from soritune.corpus.utterance import Utterance
from soritune.errors import ManifestError

ENTRY = {
    "duration": 0.5,
    "spk_id": "HJK",
    "canonical_aligned": "sil k ae t sil",
    "perceived_aligned": "sil k ah sil sil",
    "perceived_train_target": "sil k ah sil",
    "wrd": "CAT",
    "error_labels": "C C S D C",
    "error_labels_binary": "C C E E C",
}


def write(root: Path, file: str, entries: dict[str, Any], *, sound: bool = True) -> None:
    for key, entry in entries.items():
        wav = root / Path(file).parent / (entry.get("wav", key) if isinstance(entry, dict) else key)
        wav.parent.mkdir(parents=True, exist_ok=True)
        if sound:
            soundfile.write(wav, np.full(8000, 0.1, np.float32), 16000)
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps(entries), encoding="utf-8")


def read(root: Path, **config: Any) -> list[Outcome]:
    return list(read_corpus(root, L2JsonConfig(**config)))


def rows(outcomes: list[Outcome]) -> list[Utterance]:
    return [item for item in outcomes if isinstance(item, Utterance)]


def test_an_entry_becomes_an_utterance(tmp_path: Path) -> None:
    write(tmp_path, "train_data.json", {"HJK/1.wav": {**ENTRY, "wav": "HJK/1.wav"}})
    (row,) = read(tmp_path)
    assert row == Utterance(
        id="HJK/1", audio="HJK/1.wav", duration_s=0, speaker="HJK", text="CAT", text_source="gold", language="en",
        canonical=("sil", "k", "ae", "t", "sil"), perceived=("sil", "k", "ah", "sil", "sil"),
        phones=("sil", "k", "ah", "sil"), error_labels=("C", "C", "S", "D", "C"), source=tmp_path.name,
        extra={"error_labels_binary": "C C E E C", "split": "train"},
    )  # fmt: skip


def test_labels_and_keys_are_settings(tmp_path: Path) -> None:
    entry = {key: value for key, value in ENTRY.items() if key != "spk_id"} | {"who": "A"}
    write(tmp_path, "eval.json", {"1.wav": entry})
    (row,) = rows(read(tmp_path, labels_field="error_labels_binary", fields={"speaker": "who"}))
    assert row.error_labels == ("C", "C", "E", "E", "C") and row.speaker == "A"
    assert row.extra == {"error_labels": "C C S D C", "split": "test"}
    with pytest.raises(ManifestError, match="nothing in it can be used"):
        prepare("l2-json", tmp_path, {}, tmp_path / "out")


def test_stated_durations_are_checked_against_the_sound(tmp_path: Path) -> None:
    entries = {f"{n}.wav": {**ENTRY, "duration": d} for n, d in enumerate((0.5, 0.55, 4.1, "0.7", None, "?"))}
    write(tmp_path, "val_data.json", entries)
    outcomes = rows(read(tmp_path))
    assert [row.extra.get("stated_duration_s") for row in outcomes] == [None, None, 4.1, 0.7, None, None]
    made = prepare("l2-json", tmp_path, {}, tmp_path / "out")
    assert set(made.manifest.column("duration_s").to_pylist()) == {0.5}


def test_incomplete_entry_is_rejected_with_its_file_and_key(tmp_path: Path) -> None:
    bad = {
        "a.wav": {**ENTRY, "error_labels": None},
        "b.wav": {**ENTRY, "canonical_aligned": 3},
        "c.wav": {key: value for key, value in ENTRY.items() if key != "perceived_train_target"},
        "d.wav": {**ENTRY, "wav": 4},
        "e.wav": ["C"],
    }
    (tmp_path / "train_data.json").write_text(json.dumps(bad), encoding="utf-8")
    rejected = [item for item in read(tmp_path) if isinstance(item, Rejected)]
    assert [item.kind for item in rejected] == [
        "field-missing:error_labels",
        "field-type:canonical",
        "field-missing:phones",
        "field-type:audio",
        "entry-not-object",
    ]
    assert [item.reason for item in rejected] == [
        "train_data.json 'a.wav': 'error_labels' is empty or missing",
        "train_data.json 'b.wav': 'canonical_aligned' must be a list of strings, got 3",
        "train_data.json 'c.wav': 'perceived_train_target' is empty or missing",
        "train_data.json 'd.wav': 'wav' must be a path, got int",
        "train_data.json 'e.wav': must be an object, got list",
    ]
    kept = rows(read(tmp_path, required=[]))
    assert [(row.id, row.error_labels) for row in kept] == [("a", None), ("c", ("C", "C", "S", "D", "C"))]


def test_audio_is_found_below_the_file_and_below_root(tmp_path: Path) -> None:
    write(tmp_path, "one/train_data.json", {"x/1.wav": {**ENTRY, "wav": "x/1.wav"}})
    write(tmp_path, "two/val_data.json", {"x/1.wav": {**ENTRY, "wav": "/home/lab/gone/1.wav"}}, sound=False)
    write(tmp_path, "two/eval.json", {"one/x/1.wav": ENTRY}, sound=False)
    (tmp_path / "two" / "x").mkdir()
    soundfile.write(tmp_path / "two" / "x" / "1.wav", np.zeros(800), 16000)
    outcomes = read(tmp_path, files=["one", "two"])
    assert [(row.id, row.audio, row.extra["split"], row.source) for row in rows(outcomes)] == [
        ("one/x/1", "one/x/1.wav", "train", "one"),
        ("two/x/1", "two/x/1.wav", "val", "two"),
        ("one/x/1#test", "one/x/1.wav", "test", "two"),
    ]
    assert [item.reason for item in outcomes if isinstance(item, Note)] == [
        "recording in several splits (kept in each: train, test)"
    ]
    outside = L2JsonConfig(files=(str(tmp_path / "two"), str(tmp_path / "one" / "train_data.json")))
    assert SOURCE.base(tmp_path / "two", outside) == tmp_path


def test_repeated_entries_are_skipped_or_rejected(tmp_path: Path) -> None:
    write(
        tmp_path,
        "train_data.json",
        {"1.wav": ENTRY, "k": {**ENTRY, "wav": "1.wav"}, "l": {**ENTRY, "wav": "1.wav", "wrd": "DOG"}},
    )
    outcomes = read(tmp_path)
    assert [type(item).__name__ for item in outcomes] == ["Utterance", "Skipped", "Rejected"]
    text = json.dumps({"1.wav": ENTRY})
    (tmp_path / "train_data.json").write_text(text[:-1] + "," + text[1:], encoding="utf-8")
    assert [item.kind for item in read(tmp_path) if isinstance(item, Rejected)] == ["key-repeated"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[1]", "must be an object whose keys"), ('{"a": 1}', "object of objects"), ('{"a": ', "is not JSON")],
)
def test_file_with_another_content_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "eval.json").write_text(text)
    with pytest.raises(ManifestError, match=f"eval.json: .*{reason}"):
        read(tmp_path)
    with pytest.raises(ManifestError, match=r"holds none of train_data\.json"):
        read(tmp_path, files=[str(tmp_path.parent)])


def counted(root: Path, **config: Any) -> Counter[str]:
    outcomes = read(root, **config)
    assert len(rows(outcomes)) == len(outcomes)
    return Counter(row.extra["split"] for row in rows(outcomes))


@pytest.mark.slow
def test_published_counts_are_reached(shared_data: Path) -> None:
    """Those in the READMEs of the two excerpts of speechocean762."""
    first, second = shared_data / "speechocean762", shared_data / "speechocean762_train"
    if not first.is_dir() or not second.is_dir():
        pytest.skip("speechocean762 is not among the real data")
    assert counted(first) == {"train": 206, "val": 66, "test": 66}
    assert counted(second) == {"train": 700, "val": 180}
    both = rows(read(shared_data, files=[first.name, second.name]))
    assert Counter(row.extra["split"] for row in both) == {"train": 906, "val": 246, "test": 66}
    assert len({row.id for row in both}) == 1218
    labels = Counter(
        label for row in rows(read(first)) if row.extra["split"] == "test" for label in row.error_labels or ()
    )
    assert labels == {"C": 1206, "S": 41, "D": 11, "I": 1}


@pytest.mark.slow
def test_labels_without_their_audio_are_all_rejected(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "l2arctic_labels_text"
    if not root.is_dir():
        pytest.skip("the L2-ARCTIC labels are not among the real data")
    assert counted(root) == {"train": 1500, "val": 300, "test": 600}
    assert survey(root, L2JsonConfig(), 50).looked_at == 50
    with pytest.raises(ManifestError, match=r"2,400 rejected; .*wav: does not exist"):
        prepare("l2-json", root, {}, tmp_path)
    assert not (tmp_path / "manifest.parquet").exists()
    assert len((tmp_path / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()) == 2400
