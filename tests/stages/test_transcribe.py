"""Recognised text as a manifest: what rows keep, what is set aside, what is not recognised twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tests.inference.recognition.toy_recogniser import ToyRecogniser, recognised

from soritune.corpus.checks import read_quarantine
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.errors import AudioError, ManifestError, OutputError, SorituneError
from soritune.inference.predictions import read_predictions
from soritune.inference.recognition.recogniser import RecognisedText
from soritune.korean import phonemize
from soritune.recipe import load_recipe
from soritune.run_folder import RunFolder, choose_bundle, read_card
from soritune.stages.run import run
from soritune.stages.transcribe import transcribe


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "소리"
    folder.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 16000 * (number + 1))
        soundfile.write(folder / f"{number}.wav", noise.astype(np.float32), 16000)
    return sorted(folder.iterdir())


def rows_of(manifest: Manifest | None) -> list[Any]:
    assert manifest is not None
    return list(manifest)


def test_files_become_rows_with_words_times_and_confidence(files: list[Path], tmp_path: Path) -> None:
    toy = ToyRecogniser(recognised("가 나", 0.8), recognised("다", 0.7), recognised("라", 0.9))
    result = transcribe(files, toy, tmp_path / "asr.jsonl")
    rows = rows_of(load_manifest(tmp_path / "asr.jsonl"))
    assert [row.id for row in rows] == [str(path) for path in files]
    assert [row.audio for row in rows] == ["소리/0.wav", "소리/1.wav", "소리/2.wav"]  # below the manifest
    assert [row.duration_s for row in rows] == [1.0, 2.0, 3.0]
    assert {(row.text_source, row.language, row.extra["recogniser"]) for row in rows} == {
        ("asr", "ko", "toy")
    }
    assert (rows[0].text, rows[0].extra["text_confidence"]) == ("가 나", 0.8)
    assert rows[0].extra["words"][1] == {"word": "나", "start_s": 0.5, "end_s": 1.0, "confidence": 0.8}
    elsewhere = transcribe(files[:1], ToyRecogniser("가"), tmp_path / "other" / "asr.parquet")
    assert [row.audio for row in rows_of(elsewhere.manifest)] == [str(files[0].absolute())]
    assert result.to_json() == {
        "transcribed": 3,
        "set_aside": 0,
        "failed": 0,
        "reasons": {},
        "given_texts": 0,
        "resumed": 0,
        "seconds": 3.0,
        "output": str(tmp_path / "asr.jsonl"),
        "quarantine": str(tmp_path / "asr.quarantine.jsonl"),
        "recognised": str(tmp_path / "asr.recognised.jsonl"),
    }


def test_rows_of_a_manifest_keep_their_fields_and_their_earlier_text(tones: Manifest, tmp_path: Path) -> None:
    given = replace(
        next(iter(tones)),
        start_s=0.1,
        duration_s=0.2,
        text="쓴 글",
        text_source="gold",
        phones=("A", "B"),
        age=7.0,
        language="ko-KR",
        extra={"session": 3},
    )
    source = write_manifest(tmp_path / "given.parquet", [given], root=tones.root)
    result = transcribe(source, ToyRecogniser("들린 글"), tmp_path / "asr.jsonl")
    (row,) = rows_of(result.manifest)
    changed = {"audio", "text", "text_source", "script_id", "extra"}
    for name in set(given.__dataclass_fields__) - changed:
        assert getattr(row, name) == getattr(given, name), name
    assert (row.text, row.text_source) == ("들린 글", "asr")
    assert row.script == given.script == "쓴 글"  # the prompt decides the split as before
    assert row.extra["session"] == 3
    assert (row.extra["given_text"], row.extra["given_text_source"]) == ("쓴 글", "gold")
    assert load_manifest(tmp_path / "asr.jsonl").audio_path(row).samefile(source.audio_path(given))
    again = transcribe(result.manifest, ToyRecogniser("다시 들린 글"), tmp_path / "again.jsonl")
    (twice,) = rows_of(again.manifest)
    assert (twice.text, twice.extra["given_text"]) == ("다시 들린 글", "쓴 글")  # not the recognised one


def test_doubtful_and_faulty_clips_are_set_aside_with_the_reason(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "소리" / "3.wav").write_text("not audio")
    toy = ToyRecogniser(recognised("가", 0.5), RecognisedText("", (), 2.0), recognised("다", 0.6))
    result = transcribe(
        [*files, tmp_path / "소리" / "3.wav"], toy, tmp_path / "asr.jsonl", min_confidence=0.6
    )
    assert [row.text for row in rows_of(result.manifest)] == ["다"]
    aside = read_quarantine(result.quarantine)
    assert [(entry.kind, entry.stage) for entry in aside] == [
        ("asr-low-confidence", "transcribe"),
        ("asr-no-words", "transcribe"),
        ("asr-unreadable", "transcribe"),
    ]
    assert aside[0].reason == "the mean confidence of its words is 0.50, below 0.6: '가'"
    assert (result.set_aside, result.failed) == (2, 1)
    assert result.seconds == 4.0


def test_a_text_that_fills_pages_is_shortened_in_its_reason(files: list[Path], tmp_path: Path) -> None:
    toy = ToyRecogniser(recognised("네 " * 100, 0.9, compression=20.0))
    result = transcribe(files[:1], toy, tmp_path / "asr.jsonl")
    (entry,) = read_quarantine(result.quarantine)
    assert entry.reason.endswith(f": '{('네 ' * 100)[:59]}…'")


def test_a_resumed_call_recognises_new_clips_only(files: list[Path], tmp_path: Path) -> None:
    class Interrupted(ToyRecogniser):
        def recognise(self, samples: Any) -> RecognisedText:
            if len(self.lengths) == 2:
                raise KeyboardInterrupt
            return super().recognise(samples)

    output = tmp_path / "asr.jsonl"
    with pytest.raises(KeyboardInterrupt):
        transcribe(files, Interrupted(recognised("가", 0.5), "나", "다"), output)
    assert not output.exists()
    with pytest.raises(OutputError, match="repeat the command with --resume"):
        transcribe(files, ToyRecogniser(), output)
    toy = ToyRecogniser("다")
    result = transcribe(files, toy, output, resume=True)
    assert (toy.lengths, result.resumed) == ([48000], 2)
    assert [row.text for row in rows_of(result.manifest)] == ["나", "다"]
    # Another threshold needs no recogniser at all.
    lower = transcribe(files, ToyRecogniser(), output, resume=True, min_confidence=0.4)
    assert [row.text for row in rows_of(lower.manifest)] == ["가", "나", "다"]
    assert read_quarantine(lower.quarantine) == []
    none = transcribe(files, ToyRecogniser(), output, resume=True, min_confidence=0.95)
    assert none.manifest is None and not output.exists()
    assert none.to_json()["output"] is None


def test_outputs_that_are_not_its_own_are_refused(files: list[Path], tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a", "audio": "a.wav", "duration_s": 1}\n')
    for resume in (False, True):
        with pytest.raises(OutputError, match="exists and was not written by an earlier call"):
            transcribe(files, ToyRecogniser(), gold, resume=resume)
    assert gold.read_text().startswith('{"id": "a"')
    with pytest.raises(ManifestError, match=r"ends in .parquet or .jsonl"):
        transcribe(files, ToyRecogniser(), tmp_path / "asr.txt")
    with pytest.raises(ManifestError, match="is the id of 2 clips"):
        transcribe([files[0], files[0]], ToyRecogniser(), tmp_path / "asr.jsonl")
    with pytest.raises(AudioError, match="samples in memory cannot be a row of a manifest"):
        transcribe([files[0], (np.zeros(16000), 16000)], ToyRecogniser(), tmp_path / "asr.jsonl")
    with pytest.raises(SorituneError, match="must be from 0 to 1, got 60"):
        transcribe(files, ToyRecogniser(), tmp_path / "asr.jsonl", min_confidence=60)


def test_predictions_have_the_phones_of_all_clips(tones: Manifest, tmp_path: Path) -> None:
    """Also of those that are set aside."""
    rows = [replace(row, text="사과 나무", text_source="gold") for row in list(tones)[:3]]
    source = write_manifest(tmp_path / "given.parquet", rows, root=tones.root)
    toy = ToyRecogniser("사과 나무", recognised("사과 나비", 0.1), RecognisedText("", (), 0.5))
    result = transcribe(source, toy, tmp_path / "asr.jsonl", predictions=tmp_path / "p.jsonl")
    assert len(rows_of(result.manifest)) == 1
    predictions = read_predictions(tmp_path / "p.jsonl")
    phones = [row["tasks"]["phoneme"]["prediction"]["phones"] for row in predictions.rows]
    assert phones == [phonemize("사과 나무", boundary="word"), phonemize("사과 나비", boundary="word"), []]


@pytest.mark.slow(seconds=20)
def test_a_model_is_trained_on_recognised_text_and_its_card_states_it(
    tones: Manifest, tmp_path: Path
) -> None:
    rows = [replace(row, text=None, emotion=None) for row in tones]
    source = write_manifest(tmp_path / "given.parquet", rows, root=tones.root)
    texts = [recognised(("가나", "다라마", "바다")[n % 3], 0.9 if n % 6 else 0.1) for n in range(len(rows))]
    transcribe(source, ToyRecogniser(*texts), tmp_path / "asr.jsonl")
    recipe = load_recipe(
        "quickstart",
        [f"data={tmp_path / 'asr.jsonl'}", "train.device=cpu", "train.max_steps=2", "evaluate.resamples=100"],
    )
    run(recipe, tmp_path / "run")
    files = RunFolder(tmp_path / "run")
    counts = read_card(files.bundle("last"))["data"]["recognised_labels"]
    assert len(load_manifest(files.checked)) == 30  # six of 36 were set aside
    assert counts["rows"] == counts["of"] < 30
    card = (choose_bundle(files.path) / "README.md").read_text(encoding="utf-8")
    assert f"**Labels from recognised text**: {counts['rows']} of {counts['rows']} training" in card
    warnings = json.loads(files.scores().read_text(encoding="utf-8"))["warnings"]
    assert any(text.startswith("Trained on labels from recognised text: ") for text in warnings)
    assert any("clips come from recognised text, whose errors count as the" in text for text in warnings)
    assert "Labels from recognised text" in files.report().read_text(encoding="utf-8")
