"""Rows whose audio trained the model are refused under any id, path or speaker, unless they are allowed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from soritune.corpus.audio_hashes import Hashed, audio_hashes, save_audio_hashes
from soritune.corpus.manifest import Manifest, load_manifest, write_manifest
from soritune.corpus.splitting.splits import Copies, SplitSettings, load_splits, make_splits
from soritune.corpus.utterance import Utterance
from soritune.errors import SplitError
from soritune.stages.judged import Judged, JudgedModel, judge_data, judge_manifest, judge_run
from soritune.stages.judged_audio import report_leaks
from soritune.tasks.decoding.decoder import make_decoder

GREEDY = make_decoder("greedy")


@pytest.fixture
def run(fakes: Any, tmp_path: Path) -> Path:
    """A run on 6 clips by 3 speakers, each speaker in another split, with its hashes."""
    rows = []
    for s, part in enumerate(("train", "val", "test")):
        for n in range(2):
            name = f"s{s}_{n}.wav"
            noise = np.random.default_rng((s, n)).uniform(-0.5, 0.5, 8000)
            soundfile.write(tmp_path / name, noise, 16000)
            fields = {"speaker": f"s{s}", "emotion": "calm", "extra": {"part": part}}
            rows.append(Utterance(id=name, audio=name, duration_s=0.5, **fields))
    folder = tmp_path / "run"
    checked = write_manifest(folder / "checked.parquet", rows, root=tmp_path)
    hashed = audio_hashes(checked)
    assert hashed is not None
    save_audio_hashes(folder, checked, hashed)
    make_splits(checked, SplitSettings(given="part")).save(folder / "splits.parquet")
    fakes.make_bundle(folder / "bundles" / "last", [fakes.emotion_task()])
    return folder


def judge(run: Path, rows: Manifest) -> Judged:
    options = {"source": None, "settings": None, "output": None, "decoder": GREEDY}
    return judge_data(JudgedModel.find(run, None), rows, **options)  # type: ignore[arg-type]


def judge_split(run: Path, split: str) -> Judged:
    model = JudgedModel.find(run, None)
    return judge_run(model, split, splits=None, output=None, root=None, decoder=GREEDY)


def copies_of(run: Path, *names: str) -> Manifest:
    """The clips under other names, in another format and by other speakers."""
    rows = []
    for number, name in enumerate(names):
        samples, rate = soundfile.read(run.parent / name)
        soundfile.write(run.parent / f"copy{number}.flac", samples, rate)
        fields = {"speaker": f"other{number}", "emotion": "calm"}
        rows.append(Utterance(id=f"new{number}", audio=f"copy{number}.flac", duration_s=0.5, **fields))
    return write_manifest(run.parent / "other.parquet", rows, root=run.parent)


def test_copies_of_training_audio_are_refused(run: Path) -> None:
    judged = judge(run, copies_of(run, "s2_0.wav", "s0_1.wav"))
    with pytest.raises(SplitError, match=r"^1 of 2 rows have the audio .* 'new1'; .*--copies allow"):
        report_leaks(judged, None, "apart")


def test_copies_at_another_level_are_reported(run: Path) -> None:
    samples, rate = soundfile.read(run.parent / "s0_1.wav")
    soundfile.write(run.parent / "quiet.wav", samples[5:] / 3, rate)
    rows = [Utterance(id="quiet", audio="quiet.wav", duration_s=len(samples[5:]) / rate, emotion="calm")]
    judged = judge(run, write_manifest(run.parent / "other.parquet", rows, root=run.parent))
    report_leaks(judged, None, "apart")
    (warning,) = judged.data["warnings"]
    assert warning.startswith("1 of 1 rows sound like rows that the model was trained on, such as 'quiet';")


def test_copies_are_recorded_where_they_are_allowed(run: Path) -> None:
    judged = judge(run, copies_of(run, "s0_0.wav", "s0_1.wav"))
    report_leaks(judged, None, "allow")
    assert judged.data["warnings"] == [
        "2 of 2 rows have the audio of rows that the model was trained on; the numbers say little about new speech"
    ]


def test_audio_is_not_opened_on_request(run: Path) -> None:
    judged = judge(run, copies_of(run, "s0_0.wav"))
    (run.parent / "copy0.flac").unlink()
    report_leaks(judged, None, "ignore")
    assert "warnings" not in judged.data


@pytest.mark.parametrize("names", [("s1_0.wav", "s2_0.wav"), ("s2_1.wav",)])
def test_audio_that_did_not_train_the_model_is_judged(run: Path, names: tuple[str, ...]) -> None:
    judged = judge(run, copies_of(run, *names))
    report_leaks(judged, None, "apart")
    assert "warnings" not in judged.data


@pytest.mark.parametrize("split", ["train", "val", "test", "all"])
def test_a_split_of_the_run_is_judged_as_it_was_made(run: Path, split: str) -> None:
    judged = judge_split(run, split)
    report_leaks(judged, split, "apart")
    assert "warnings" not in judged.data


@pytest.mark.parametrize(
    ("made", "warnings"),
    [
        ("ignore", None),
        (
            "allow",
            [
                "1 of 2 rows have the audio of rows that the model was trained on; the numbers say little about new "
                "speech"
            ],
        ),
    ],
)
def test_a_leak_that_the_splits_allow_is_judged(run: Path, made: Copies, warnings: list[str] | None) -> None:
    checked = load_manifest(run / "checked.parquet")
    hashed = audio_hashes(checked)
    assert hashed is not None
    hashes = hashed.hashes.copy()
    hashes[4] = hashes[0]
    save_audio_hashes(run, checked, Hashed(hashes, hashed.likeness))
    with pytest.raises(SplitError, match="1 of 2 rows have the audio"):
        report_leaks(judge_split(run, "test"), "test", "apart")
    make_splits(checked, SplitSettings(given="part", copies=made)).save(run / "splits.parquet")
    judged = judge_split(run, "test")
    report_leaks(judged, "test", "apart")
    assert judged.data.get("warnings") == warnings
    assert load_splits(run / "splits.parquet").policy["copies"] == made


def test_the_training_manifest_given_as_other_data_is_refused(run: Path) -> None:
    model = JudgedModel.find(run, None)
    options = {"splits": None, "output": None, "root": None, "decoder": GREEDY}
    judged = judge_manifest(model, run / "checked.parquet", "test", **options)  # type: ignore[arg-type]
    with pytest.raises(SplitError, match=r"^2 of 6 rows"):
        report_leaks(judged, None, "apart")


def test_a_run_that_does_not_keep_its_audio_is_reported(run: Path) -> None:
    judged = judge(run, copies_of(run, "s0_0.wav"))
    hashes, splits = run / "audio_hashes.parquet", run / "splits.parquet"

    def warning() -> str:
        judged.data.pop("warnings", None)
        report_leaks(judged, None, "apart")
        (sentence,) = judged.data["warnings"]
        assert sentence.startswith("the audio was not compared with that of the training: ")
        return str(sentence)

    hashes.write_bytes(b"not parquet")
    assert "audio_hashes.parquet is damaged or of other rows;" in warning()
    hashes.unlink()
    assert "audio_hashes.parquet does not exist;" in warning()
    save_audio_hashes(run, load_manifest(run / "checked.parquet"), Hashed(np.ones(6, dtype=np.uint64)))
    other = [replace(row, id=f"other {row.id}") for row in load_manifest(run / "checked.parquet")]
    manifest = write_manifest(run.parent / "others.parquet", other, root=run.parent)
    make_splits(manifest, SplitSettings(given="part")).save(splits)
    assert "splits.parquet is not of checked.parquet" in warning()
    splits.unlink()
    assert "its run has no splits.parquet" in warning()


def test_rows_that_are_not_compared_are_reported(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = judge(run, copies_of(run, "s2_0.wav", "s2_1.wav"))
    (run.parent / "copy0.flac").unlink()
    report_leaks(judged, None, "apart")
    assert judged.data["warnings"] == [
        "the audio of 1 row could not be read, so it was not compared with that of the training"
    ]
    monkeypatch.setattr("soritune.corpus.audio_hashes.MOST_DECODED", 1)
    report_leaks(judged, None, "apart")
    (warning,) = judged.data["warnings"]
    assert "more than" in warning and "run check on the manifest first" in warning


def test_audio_compared_by_samples_only_is_reported(run: Path) -> None:
    checked = load_manifest(run / "checked.parquet")
    hashed = audio_hashes(checked)
    assert hashed is not None
    save_audio_hashes(run, checked, Hashed(hashed.hashes))
    judged = judge(run, copies_of(run, "s2_0.wav"))
    report_leaks(judged, None, "apart")
    (warning,) = judged.data["warnings"]
    assert "by its samples only" in warning


def test_speakers_in_several_spellings_are_reported(run: Path) -> None:
    rows = [
        replace(row, speaker=name)
        for row, name in zip(copies_of(run, "s2_0.wav", "s2_1.wav"), ("김 ", "김"), strict=True)
    ]
    judged = judge(run, write_manifest(run.parent / "spelled.parquet", rows, root=run.parent))
    report_leaks(judged, None, "apart")
    (warning,) = judged.data["warnings"]
    assert warning.startswith("spellings that differ only in Unicode form")
