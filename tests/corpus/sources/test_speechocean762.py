"""speechocean762 written from the description in its README; and the shared excerpt, in the layout of the release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.layouts.prepared import read, tone

from soritune.corpus.sources.speechocean762 import annotation_of
from soritune.errors import ManifestError

WE = {
    "text": "WE",
    "accuracy": 10,
    "stress": 10,
    "total": 10,
    "phones": ["W", "IY0"],
    "phones-accuracy": [2.0, 1.8],
}
CALL: dict[str, Any] = {
    "text": "CALL",
    "accuracy": 4,
    "stress": 10,
    "total": 5,
    "phones": "K AO0 L",
    "phones-accuracy": [0.0, 0.2, 0.4],
    "mispronunciations": [
        {"canonical-phone": "K", "index": 0, "pronounced-phone": "<unk>"},
        {"canonical-phone": "AO", "index": 1, "pronounced-phone": "AA* R"},
        {"canonical-phone": "L", "index": 2, "pronounced-phone": "<DEL>"},
    ],
}
ENTRY = {"text": "WE CALL", "accuracy": 8, "completeness": 10.0, "fluency": 9, "prosodic": 9, "total": 8}


def corpus(root: Path, scores: dict[str, Any]) -> Path:
    for split, speaker, gender, age in (("train", "0001", "m", "6"), ("test", "0003", "f", "25")):
        utterance = f"0{speaker}0011"
        tone(root / "WAVE" / f"SPEAKER{speaker}" / f"{utterance}.WAV")
        (root / split).mkdir(parents=True)
        for name, text in {
            "wav.scp": f"{utterance}\tWAVE/SPEAKER{speaker}/{utterance}.WAV\n",
            "text": f"{utterance}\tWE CALL\n",
            "utt2spk": f"{utterance}\t{speaker}\n",
            "spk2utt": f"{speaker}\t{utterance}\n",
            "spk2gender": f"{speaker}\t{gender}\n",
            "spk2age": f"{speaker}\t{age}\n",
        }.items():
            (root / split / name).write_text(text, encoding="utf-8")
    (root / "resource").mkdir()
    (root / "resource" / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    return root


def test_scores_become_aligned_phones_and_labels(tmp_path: Path) -> None:
    entry = {**ENTRY, "words": [WE, CALL]}
    result = read("speechocean762", corpus(tmp_path / "c", {"000010011": entry}), tmp_path / "out")
    row = result.rows["000010011"]
    assert row.canonical == ("w", "iy", "k", "ao", "sil", "l")
    assert row.perceived == ("w", "iy", "err", "aa", "r", "sil")
    assert row.error_labels == ("C", "C", "S", "S", "I", "D")
    assert row.phones == ("w", "iy", "err", "aa", "r")
    assert (row.text, row.speaker, row.gender, row.age) == ("WE CALL", "0001", "m", 6.0)
    assert (row.language, row.first_language) == ("en", "zh")
    assert row.extra["phone_scores"] == [2.0, 1.8, 0.0, 0.2, 0.4]
    assert row.extra["word_lengths"] == [2, 3] and row.extra["split"] == "train"
    assert row.extra["word_scores"][1] == {"accuracy": 4, "stress": 10, "total": 5}
    assert row.extra["scores"] == {key: value for key, value in ENTRY.items() if key != "text"}
    assert result.rejected == {
        "000030011": ("label-missing", "test/wav.scp line 1: has no entry in scores.json")
    }


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ({**WE, "phones-accuracy": [2.0]}, "word 1 of its entry in scores.json has 2 phones and 1 scores"),
        (
            {**CALL, "mispronunciations": [{"index": 9, "canonical-phone": "K", "pronounced-phone": "T"}]},
            "of 'k' at 9",
        ),
        (
            {**CALL, "mispronunciations": [{"index": 0, "canonical-phone": "L", "pronounced-phone": "T"}]},
            "of 'l' at 0",
        ),
        ({**CALL, "mispronunciations": [{"index": 0}]}, "without index or phones"),
        ({**WE, "phones": None}, "has no lists of phones and of their scores"),
        ({**WE, "phones-accuracy": ["good", 1]}, "has no lists of phones and of their scores"),
        ({**CALL, "mispronunciations": ["K"]}, "without index or phones"),
        ("WE", "word 1 of its entry in scores.json is not an object"),
    ],
)
def test_entries_that_contradict_themselves_are_rejected(word: Any, reason: str, tmp_path: Path) -> None:
    entries = {"000010011": {**ENTRY, "words": [word]}, "000030011": {**ENTRY, "words": [WE]}}
    result = read("speechocean762", corpus(tmp_path / "c", entries), tmp_path / "out")
    kind, sentence = result.rejected["000010011"]
    assert kind == "entry-format" and reason in sentence and sentence.startswith("train/wav.scp line 1: ")


def test_low_score_without_an_entry_is_an_unknown_phone() -> None:
    sequences, _ = annotation_of({"words": [{**WE, "phones-accuracy": [0.5, 0.49]}]})
    assert (sequences["error_labels"], sequences["perceived"]) == (["C", "S"], ["w", "err"])


def test_corpus_without_scores_is_refused(tmp_path: Path) -> None:
    root = corpus(tmp_path / "c", {})
    (root / "resource" / "scores.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ManifestError, match="must be an object whose keys are utterances"):
        read("speechocean762", root, tmp_path / "out")
    (root / "resource" / "scores.json").unlink()
    with pytest.raises(ManifestError, match=r"holds no resource/scores\.json; the source 'kaldi' reads"):
        read("speechocean762", root, tmp_path / "out")


def test_real_entries_give_the_sequences_of_the_shared_labels(shared_data: Path) -> None:
    """Entries rebuilt from the released scores and marks of single utterances; the sequences were derived by others."""
    folder = shared_data / "speechocean762"
    labels = {
        Path(name).stem: entry
        for file in ("train_data.json", "val_data.json", "eval.json")
        for name, entry in json.loads((folder / file).read_text(encoding="utf-8")).items()
    }
    compared = 0
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        # Inserted phones, which the shared labels have too, are not part of scores.json.
        if "pronounced" not in row or row["id"] not in labels or row["insertions"]:
            continue
        words, start = [], 0
        for number, length in enumerate(row["word_lengths"]):
            faults = [
                {"canonical-phone": f["canonical"], "index": f["index"], "pronounced-phone": f["pronounced"]}
                for f in row["pronounced"]
                if f["word"] == number
            ]
            span = slice(start, start + length)
            scores = row["phone_scores"][span]
            words.append(
                {"phones": row["canonical"][span], "phones-accuracy": scores, "mispronunciations": faults}
            )
            start += length
        sequences, _ = annotation_of({"words": words})
        expected = labels[row["id"]]
        assert " ".join(sequences["canonical"]) == expected["canonical_aligned"]
        assert " ".join(sequences["perceived"]) == expected["perceived_aligned"]
        assert " ".join(sequences["error_labels"]) == expected["error_labels"]
        assert " ".join(sequences["phones"]) == expected["perceived_train_target"]
        compared += 1
    assert compared >= 40
